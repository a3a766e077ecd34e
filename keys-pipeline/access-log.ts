import { addressIn } from './networks.ts'

/** A request that was answered. Hospitals fetch from their own servers, so the address says which one came. */
export interface Access {
  /** ISO 8601, UTC: when it was answered. */
  time: string
  /** Who asked: the peer, or behind trusted proxies the right-most address of the chain that is none of them. */
  address: string | null
  /**
   * X-Forwarded-For as a trusted proxy gave it, oldest first; null without one. Only `address` is vouched for: what
   * stands left of it is the claim of whoever sent it.
   */
  forwarded: string[] | null
  userAgent: string | null
  method: string
  /** As it was asked for, query and all. */
  path: string
  status: number
  /** Of the body, handed to the network: none for HEAD and 304, and none where the client went away first. */
  bytes: number
}

/** What happened beside the answers. */
export type ServeEvent =
  | { event: 'site_replaced' | 'certificate_replaced' }
  | { event: 'site_kept' | 'certificate_kept'; message: string }
  /** Somebody came and no request came of it: a handshake that failed, half a request, one connection too many. */
  | { event: 'connection_failed'; address: string | null; reason: string }
  | { event: 'lines_lost'; count: number }

export type LogLine = Access | ({ time: string } & ServeEvent)

/** Characters that are kept of what a client chooses. */
const LONGEST = { userAgent: 256, path: 512, header: 1024 }
/** Addresses that are kept of a chain. */
const LONGEST_CHAIN = 16

export const boundedAgent = (text: string | undefined): string | null =>
  text?.slice(0, LONGEST.userAgent) ?? null

export const boundedPath = (text: string): string => text.slice(0, LONGEST.path)

/**
 * @param walked the peer, then X-Forwarded-For from the right as far as proxies are trusted, then one more: only the
 *   peer where it is no trusted proxy. An entry that is no address is not believed, nor anything to its left.
 * @param header X-Forwarded-For as it came
 */
export function senderOf(
  walked: readonly (string | undefined)[],
  header: string | undefined,
): Pick<Access, 'address' | 'forwarded'> {
  const address = addressesOf(walked).at(-1) ?? null
  if (walked.length < 2 || header === undefined) return { address, forwarded: null }
  // From the right, since there our own proxies wrote: a client may put any length of anything before it.
  const entries = header.slice(-LONGEST.header).split(',')
  // What was cut through may look like another address.
  if (header.length > LONGEST.header) entries.shift()
  const chain = addressesOf(
    entries
      .map(each => each.trim())
      .filter(each => each !== '')
      .reverse(),
  )
  return { address, forwarded: chain.slice(0, LONGEST_CHAIN).reverse() }
}

/** The addresses up to the first that is none. */
function addressesOf(texts: readonly (string | undefined)[]): string[] {
  const addresses: string[] = []
  for (const text of texts) {
    const address = addressIn(text)
    if (address === null) break
    addresses.push(address)
  }
  return addresses
}

/** One line of NDJSON, in ASCII: what a client sends must neither end the line nor play with a terminal. */
export function toLine(line: LogLine): string {
  const text = JSON.stringify(line).replace(
    /[\x7f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `${text}\n`
}

/**
 * The path in the site that a request target asks for, whatever its query, in both forms of RFC 9112 §3.2: `/x` and
 * `http://host/x`. Nothing of it is taken apart: only names that are in the list are served.
 */
export function sitePathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/)[0] ?? ''
  if (path !== '' && !path.startsWith('/')) return path
  try {
    return decodeURIComponent(path.slice(1)) || 'index.html'
  } catch {
    return path
  }
}
