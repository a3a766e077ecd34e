import { Agent, type Dispatcher, errors, request } from 'undici'
import { openKeyFile } from './forms.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'

/** One fetch of a live key set, as a stranger makes it: no sign-in, no redirect followed, all of it bounded. */
export interface Look {
  url: string
  /** Why there is nothing to judge; null where an answer came. */
  failure: LookFailure | null
  status: number
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>
  body: Buffer
  /** Milliseconds from the request to the last byte. */
  took: number
}

export type LookFailure = 'name_not_found' | 'unreachable' | 'timeout' | 'tls' | 'too_large'

export type Fetch = (url: string) => Promise<Look>

/** What a look shows: the key set, or what is there instead of one. */
export type Published =
  | { state: 'key_set'; keys: PublicKey[]; text: string }
  | { state: PublishedFault; detail: string }

export type PublishedFault =
  | LookFailure
  | 'redirect'
  | 'sign_in'
  | 'not_found'
  | 'rate_limited'
  | 'server_error'
  | 'status'
  | 'html'
  | 'type'
  | 'not_json'
  | 'not_key_set'

/** Bytes. As much as `check` reads of a file. */
const MOST_BYTES = 1024 * 1024

/** Seconds. One Login asks for five, Singpass for three; a look is given longer, so that slow can be told from down. */
const DEADLINE = 15

/** How it is asked, where not as Lockstep asks. */
export interface Manner {
  /** In place of `accept` and `user-agent`. */
  headers?: Readonly<Record<string, string>>
  /** Seconds for the whole answer. */
  deadline?: number
}

const HEADERS = { accept: 'application/json', 'user-agent': 'lockstep' }

/** `elapsed` is a clock in milliseconds that only goes forward. */
export function fetchThrough(
  dispatcher: Dispatcher,
  elapsed: () => number,
  { headers: asked = HEADERS, deadline = DEADLINE }: Manner = {},
): Fetch {
  return async url => {
    const began = elapsed()
    const look = { url, failure: null, status: 0, headers: {}, body: Buffer.alloc(0) }
    try {
      const { statusCode, headers, body } = await request(url, {
        headers: asked,
        dispatcher,
        signal: AbortSignal.timeout(deadline * 1000),
      })
      const flat = Object.entries(headers).map(([name, value]) => [name, String(value)])
      const read = await readBounded(body, MOST_BYTES)
      const took = elapsed() - began
      if (read === null) return { ...look, failure: 'too_large', status: statusCode, took }
      return { ...look, status: statusCode, headers: Object.fromEntries(flat), body: read, took }
    } catch (error) {
      return { ...look, failure: failureOf(error), took: elapsed() - began }
    }
  }
}

/** As `fetchThrough`, over connections of its own; `ca` is PEM of authorities to trust in place of the system's. */
export function openFetch(
  ca: string | undefined,
  elapsed: () => number,
): { visit: Fetch; close: () => Promise<void> } {
  const dispatcher = new Agent({ connect: { ...(ca !== undefined && { ca }) } })
  return { visit: fetchThrough(dispatcher, elapsed), close: () => dispatcher.close() }
}

/** What an EHR could make of the look, in the order it would stumble: status, type, JSON, keys. */
export function readPublished(look: Look): Published {
  const { failure, status, headers, body } = look
  if (failure !== null) return { state: failure, detail: '' }
  if (status >= 300 && status < 400) return { state: 'redirect', detail: headers['location'] ?? '' }
  if (status === 401 || status === 403) return { state: 'sign_in', detail: `${status}` }
  if (status === 404 || status === 410) return { state: 'not_found', detail: `${status}` }
  if (status === 429) return { state: 'rate_limited', detail: headers['retry-after'] ?? '' }
  if (status >= 500) return { state: 'server_error', detail: `${status}` }
  if (status !== 200) return { state: 'status', detail: `${status}` }
  const text = body.toString('utf8')
  const type = headers['content-type'] ?? ''
  if (/^\s*<(!doctype|html)/i.test(text)) return { state: 'html', detail: type }
  const { form, candidates, findings } = openKeyFile(look.url, body)
  if (findings.some(each => each.code === 'json_unreadable' || each.code === 'form_unknown')) {
    return { state: 'not_json', detail: type }
  }
  if (form !== 'set') return { state: 'not_key_set', detail: type }
  if (!/^application\/(jwk-set\+)?json\b/i.test(type)) return { state: 'type', detail: type }
  return {
    state: 'key_set',
    keys: candidates.flatMap(each => toPublicKey(each, look.url).key ?? []),
    text,
  }
}

/** A body to its end; null where it is longer than that many bytes, and then no more of it is read. */
export async function readBounded(
  body: AsyncIterable<Buffer>,
  most: number,
): Promise<Buffer | null> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > most) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** What went wrong on the way to an answer, by the error that undici or the system gives. */
export function failureOf(error: unknown): Exclude<LookFailure, 'too_large'> {
  const { code, name } = error as NodeJS.ErrnoException
  const reason = code ?? name
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN') return 'name_not_found'
  const timeouts = [errors.HeadersTimeoutError, errors.BodyTimeoutError, errors.ConnectTimeoutError]
  if (name === 'TimeoutError' || timeouts.some(kind => error instanceof kind)) return 'timeout'
  return TLS_FAULTS.test(reason) ? 'tls' : 'unreachable'
}

const TLS_FAULTS =
  /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/
