import { type Clock, type Instant, remaining } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Exchange } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type HeldToken, held, left, type TokenCache } from './cache.ts'
import { cacheKey } from './cache-key.ts'
import type { singleFlight } from './single-flight.ts'

export interface Need {
  upstream: Upstream
  scopes: readonly string[]
  /** Seconds of remaining life that the caller asks for; 0 for none. */
  minimumTtl: number
}

export interface Obtained {
  token: HeldToken
  /** Seconds, at this moment, rounded down. */
  expiresIn: number
  source: 'cache' | 'upstream'
}

export type Obtain = (need: Need) => Promise<Obtained>

/** Milliseconds. A token with less is never handed out: the caller could not use it. */
const FLOOR = 30_000

/** Milliseconds between tries behind the callers' backs, before chance adds up to as much again. */
const RETRY_BEHIND = 10_000

/**
 * A token for this upstream and these scopes: from the cache while it lives, refreshed behind past its soft end, else
 * from the EHR, one call per key however many ask.
 *
 * Refused: what the exchange refuses; `upstream_life_too_short`, remembered for the life that the EHR gave;
 * `minimum_ttl_too_long`, without a call once the EHR's life is known.
 */
export function obtainWith(ports: {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  cache: TokenCache
  flight: ReturnType<typeof singleFlight<HeldToken>>
  exchange: Exchange
  /** Told of each refresh behind that failed, since no caller is. */
  onRefreshFailed: (upstream: Upstream, error: BrokerError) => void
}): Obtain {
  const { clock, chance, cache, flight, exchange } = ports
  /** When a key was last fetched for the sake of minimum_ttl, and when a refresh behind may be tried again. */
  const fetchedForTtl = new Map<string, Instant>()
  const notBefore = new Map<string, { since: Instant; for: number }>()

  const fetch = (key: string, { upstream, scopes }: Need): Promise<HeldToken> =>
    flight(key, async () => {
      const token = held(await exchange(upstream, scopes), chance())
      if (left(token, clock()) < FLOOR) {
        const error = new BrokerError('upstream_life_too_short', { life: token.life / 1000 })
        cache.refuse(key, { error, since: token.sentAt, for: Math.max(token.life, 1000) })
        throw error
      }
      notBefore.delete(key)
      return cache.keep(key, token)
    })

  const refreshBehind = (key: string, need: Need): void => {
    const wait = notBefore.get(key)
    if (wait && remaining(wait.since, wait.for, clock()) > 0) return
    fetch(key, need).catch(error => {
      notBefore.set(key, { since: clock(), for: RETRY_BEHIND * (1 + chance()) })
      ports.onRefreshFailed(need.upstream, asBrokerError(error))
    })
  }

  /** At most one call per key per third of a life, or a careless caller would empty the EHR's patience. */
  const fetchFresher = async (key: string, need: Need, token: HeldToken): Promise<HeldToken> => {
    const last = fetchedForTtl.get(key)
    if (last && remaining(last, token.life / 3, clock()) > 0) return token
    fetchedForTtl.set(key, clock())
    return fetch(key, need).catch(() => token)
  }

  return async need => {
    const key = cacheKey(need.upstream, need.scopes)
    const wanted = Math.max(FLOOR, need.minimumTtl * 1000)
    const refuseTooLong = (token: HeldToken): void => {
      if (wanted <= Math.max(FLOOR, token.life)) return
      throw new BrokerError('minimum_ttl_too_long', {
        minimum_ttl: need.minimumTtl,
        life: token.life / 1000,
      })
    }
    const reply = (token: HeldToken, source: Obtained['source']): Obtained => {
      refuseTooLong(token)
      return { token, expiresIn: Math.floor(left(token, clock()) / 1000), source }
    }
    const refusal = cache.refusal(key)
    const cached = cache.token(key)
    const now = clock()
    if (cached) refuseTooLong(cached)
    if (cached && left(cached, now) >= FLOOR) {
      if (left(cached, now) < wanted) {
        const fresher = await fetchFresher(key, need, cached)
        return reply(fresher, fresher === cached ? 'cache' : 'upstream')
      }
      if (remaining(cached.sentAt, cached.soft, now) <= 0) refreshBehind(key, need)
      return reply(cached, 'cache')
    }
    if (refusal) throw refusal
    return reply(await fetch(key, need), 'upstream')
  }
}
