import { remaining } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import { type Entry, type HeldToken, left, type Wanted } from './cache.ts'
import { cacheKey } from './cache-key.ts'
import { type FetchPorts, FLOOR, fetchToken, refreshBehind } from './fetch.ts'
import type { Source } from './shared-fetch.ts'

export interface Need extends Wanted {
  /** Seconds of remaining life that the caller asks for; 0 for none. */
  minimumTtl: number
}

export interface Obtained {
  token: HeldToken
  /** Seconds that are left at the moment it is called, rounded down; 0 where a clock was set on meanwhile. */
  expiresIn: () => number
  source: 'cache' | Source
}

export type Obtain = (need: Need) => Promise<Obtained>

/**
 * A token for this upstream and these scopes: from the cache while it lives, refreshed behind past its soft end, else
 * from another broker or the EHR, one call per key however many ask.
 *
 * Refused: what `fetchToken` refuses; `minimum_ttl_too_long`, without a call while a token tells the EHR's life.
 */
export function obtainWith(ports: FetchPorts): Obtain {
  const { clock, cache } = ports
  return async ({ upstream, scopes, minimumTtl }) => {
    const key = cacheKey(upstream, scopes)
    const wanted = Math.max(FLOOR, minimumTtl * 1000)
    const reply = (token: HeldToken, source: Obtained['source']): Obtained => {
      if (wanted > Math.max(FLOOR, token.life)) {
        throw new BrokerError('minimum_ttl_too_long')
      }
      const expiresIn = (): number => Math.max(0, Math.floor(left(token, clock()) / 1000))
      return { token, expiresIn, source }
    }
    const entry = cache.entry(key)
    const now = clock()
    if (entry && left(entry.token, now) >= FLOOR) {
      const { token } = entry
      // Of the config in force: another certificate or deadline than when the token came.
      entry.wanted = { upstream, scopes }
      if (left(token, now) < wanted && wanted <= token.life) {
        const fresher = await fetchFresher(ports, key, entry, wanted)
        return reply(fresher, fresher === token ? 'cache' : fresher.source)
      }
      if (remaining(token.sentAt, token.soft, now) <= 0) void refreshBehind(ports, key, entry)
      return reply(token, 'cache')
    }
    const refusal = cache.refusal(key)
    if (refusal) throw refusal
    const fetched = await fetchToken(ports, key, { upstream, scopes }, wanted)
    // Whoever joins a fetch that was begun for less may get another broker's token that lives shorter.
    const held = cache.entry(key)
    if (held?.token !== fetched || left(fetched, clock()) >= wanted || wanted > fetched.life)
      return reply(fetched, fetched.source)
    const fresher = await fetchFresher(ports, key, held, wanted)
    return reply(fresher, fresher.source)
  }
}

/**
 * A token that lives longer, by at most one call per key per third of a life, or a careless caller would use up the
 * EHR's patience; else the one that is there, while it has the floor left.
 */
async function fetchFresher(
  ports: FetchPorts,
  key: string,
  entry: Entry,
  least: number,
): Promise<HeldToken> {
  const { clock, flights, onRefreshFailed } = ports
  const { token, fetchedForTtl, wanted } = entry
  const isPaced = fetchedForTtl !== null && remaining(fetchedForTtl, token.life / 3, clock()) > 0
  if (isPaced && flights.underWay(key) === undefined) return token
  if (!isPaced) entry.fetchedForTtl = clock()
  try {
    return await fetchToken(ports, key, wanted, least)
  } catch (error) {
    if (left(token, clock()) < FLOOR) throw error
    onRefreshFailed(wanted.upstream, asBrokerError(error))
    return token
  }
}
