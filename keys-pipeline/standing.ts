import { type Code, type Finding, finding } from './errors.ts'
import type { Publication } from './history.ts'
import type { PublicKey } from './jwk.ts'
import type { Environment } from './key-set.ts'
import { type Fetch, readPublished } from './published.ts'

/** How an environment stands before a change: what the world has, or why that cannot be told. */
export interface Standing {
  live: { url: string; keys: readonly PublicKey[] } | null
  findings: Finding[]
}

/**
 * What is live is what a stranger fetches. Where the host is out of order, the record of publications stands in for it,
 * so that a mend is not kept from being published by the fault it mends; with neither, nothing is known.
 *
 * `history` is null where there is no record to ask, and empty where nothing was ever published.
 */
export async function standingOf(
  environment: Environment,
  nextUrl: string,
  history: readonly Publication[] | null,
  visit: Fetch,
): Promise<Standing> {
  const recorded = history?.[0]?.sets[environment]
  const url = recorded?.url ?? nextUrl
  const seen = readPublished(await visit(url))
  if (seen.state === 'key_set') return { live: { url, keys: seen.keys }, findings: [] }
  if (recorded && recorded.keys.length > 0)
    return { live: { url, keys: recorded.keys }, findings: [] }
  if (history !== null || seen.state === 'not_found') return { live: null, findings: [] }
  const code: Code = `live_${seen.state}`
  const message = `what is live cannot be told (${seen.detail || seen.state}), and there is no record`
  return { live: null, findings: [finding(code, url, message)] }
}
