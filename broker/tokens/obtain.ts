import { type Clock, remaining } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Exchange } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type Entry, type HeldToken, held, isOver, left, type TokenCache } from './cache.ts'
import { cacheKey } from './cache-key.ts'
import type { Flights } from './single-flight.ts'

export interface Need {
  upstream: Upstream
  scopes: readonly string[]
  /** Seconds of remaining life that the caller asks for; 0 for none. */
  minimumTtl: number
}

export interface Obtained {
  token: HeldToken
  /** Seconds that are left at the moment it is called, rounded down. */
  expiresIn: () => number
  source: 'cache' | 'upstream'
}

export type Obtain = (need: Need) => Promise<Obtained>

/** Milliseconds. A token with less is never handed out: the caller could not use it. */
const FLOOR = 30_000

/** Milliseconds between tries behind the callers' backs, before chance adds up to as much again. */
const RETRY_BEHIND = 10_000

interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  cache: TokenCache
  flights: Flights<HeldToken>
  exchange: Exchange
  /** Told of each fetch that failed without a caller being told, since an older token served it. */
  onRefreshFailed: (upstream: Upstream, error: BrokerError) => void
}

/**
 * A token for this upstream and these scopes: from the cache while it lives, refreshed behind past its soft end, else
 * from the EHR, one call per key however many ask.
 *
 * Refused: what the exchange refuses; `upstream_life_too_short`, remembered for the life that the EHR gave;
 * `minimum_ttl_too_long`, without a call while a token tells the EHR's life.
 */
export function obtainWith(ports: Ports): Obtain {
  const { clock, cache } = ports
  return async need => {
    const key = cacheKey(need.upstream, need.scopes)
    const wanted = Math.max(FLOOR, need.minimumTtl * 1000)
    const reply = (token: HeldToken, source: Obtained['source']): Obtained => {
      if (wanted > Math.max(FLOOR, token.life)) {
        throw new BrokerError('minimum_ttl_too_long')
      }
      return { token, expiresIn: () => Math.floor(left(token, clock()) / 1000), source }
    }
    const entry = cache.entry(key)
    const now = clock()
    if (entry && left(entry.token, now) >= FLOOR) {
      const { token } = entry
      if (left(token, now) < wanted && wanted <= token.life) {
        const fresher = await fetchFresher(ports, key, need, entry)
        return reply(fresher, fresher === token ? 'cache' : 'upstream')
      }
      if (remaining(token.sentAt, token.soft, now) <= 0) refreshBehind(ports, key, need, entry)
      return reply(token, 'cache')
    }
    const refusal = cache.refusal(key)
    if (refusal) throw refusal
    return reply(await fetchToken(ports, key, need), 'upstream')
  }
}

function fetchToken(
  { clock, chance, cache, flights, exchange }: Ports,
  key: string,
  need: Need,
): Promise<HeldToken> {
  const { upstream, scopes } = need
  return flights.run(key, async () => {
    const token = held(await exchange(upstream, scopes), chance())
    if (left(token, clock()) >= FLOOR) return cache.keep(key, token)
    const error = new BrokerError('upstream_life_too_short', {
      upstream: upstream.id,
      life: token.life / 1000,
    })
    cache.refuse(key, { error, since: token.sentAt, for: Math.max(token.life, 1000) })
    throw error
  })
}

/**
 * After a fetch that did not bring a longer life, as after one that failed, the key rests: some EHRs issue the same
 * token until it expires, and would otherwise be asked on every request.
 */
function refreshBehind(ports: Ports, key: string, need: Need, entry: Entry): void {
  const { clock, chance, onRefreshFailed } = ports
  if (entry.rest && !isOver(entry.rest, clock())) return
  const rest = (milliseconds: number): void => {
    entry.rest = { since: clock(), for: milliseconds * (1 + chance()) }
  }
  fetchToken(ports, key, need).then(
    token => {
      if (token === entry.token) rest(Math.max(RETRY_BEHIND, left(token, clock()) / 3))
    },
    error => {
      rest(RETRY_BEHIND)
      onRefreshFailed(need.upstream, asBrokerError(error))
    },
  )
}

/**
 * A token that lives longer, by at most one call per key per third of a life, or a careless caller would use up the
 * EHR's patience; else the one that is there, while it has the floor left.
 */
async function fetchFresher(
  ports: Ports,
  key: string,
  need: Need,
  entry: Entry,
): Promise<HeldToken> {
  const { clock, flights, onRefreshFailed } = ports
  const { token, fetchedForTtl } = entry
  const isPaced = fetchedForTtl !== null && remaining(fetchedForTtl, token.life / 3, clock()) > 0
  if (isPaced && flights.underWay(key) === undefined) return token
  if (!isPaced) entry.fetchedForTtl = clock()
  try {
    return await fetchToken(ports, key, need)
  } catch (error) {
    if (left(token, clock()) < FLOOR) throw error
    onRefreshFailed(need.upstream, asBrokerError(error))
    return token
  }
}
