import { type Clock, isOver } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Exchange, UpstreamToken } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import {
  type Entry,
  type HeldToken,
  held,
  isBetter,
  left,
  type TokenCache,
  type Wanted,
} from './cache.ts'
import type { Share } from './shared-fetch.ts'
import type { Flights } from './single-flight.ts'

/** Milliseconds. A token with less is never handed out: the caller could not use it. */
export const FLOOR = 30_000
/** Milliseconds that another broker's token must have beyond it. */
const ON_THE_WAY = 1_000

/** Milliseconds between tries behind the callers' backs, before chance adds up to as much again. */
const RETRY_BEHIND = { first: 10_000, most: 300_000 }

/** Milliseconds for which a no is believed: doubled each time where it never worked, short where it may be a flaw. */
const NEVER_WORKED = { first: 60_000, most: 900_000 }
const WORKED_BEFORE = 10_000

export interface FetchPorts {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  cache: TokenCache
  flights: Flights<HeldToken>
  exchange: Exchange
  /** What other brokers have, before the EHR is called. */
  share: Share
  /** Whether this upstream ever gave a token. */
  hasWorked: (upstream: Upstream) => boolean
  /** Told of each fetch that failed without a caller being told, since an older token served it. */
  onRefreshFailed: (upstream: Upstream, error: BrokerError) => void
}

/**
 * The next token of a key, from another broker or the EHR: one call however many ask. What would be refused again at
 * once is remembered, so that a caller who asks in a loop costs the EHR nothing. `least` is in milliseconds: another
 * broker's token that lives shorter will not do, unless the EHR gives none that long.
 *
 * Refused: what the exchange refuses; `upstream_life_too_short`, remembered for the life that the EHR gave.
 */
export function fetchToken(
  ports: FetchPorts,
  key: string,
  wanted: Wanted,
  least: number = FLOOR,
): Promise<HeldToken> {
  const { clock, chance, cache, flights, exchange, share } = ports
  const { upstream, scopes } = wanted
  const isGood = (got: UpstreamToken): boolean => {
    const [token, now, entry] = [held(got, 'shared', 0), clock(), cache.entry(key)]
    // More than the floor: some of it passes until the token is handed out.
    if (left(token, now) < Math.max(FLOOR + ON_THE_WAY, least > token.life ? 0 : least))
      return false
    if (entry === undefined) return true
    // What another broker held before the one that is suspect came is no cure for it.
    if (entry.isSuspect && got.sentAt.wall <= entry.token.sentAt.wall) return false
    return isBetter(token, entry, now)
  }
  return flights.run(key, async () => {
    const { deadline } = upstream
    const ask = { key, deadline, isGood, exchange: () => exchange(upstream, scopes) }
    const token = await share(ask).then(
      got => held(got.token, got.source, chance()),
      error => {
        throw remembered(asBrokerError(error), ports, key, upstream)
      },
    )
    if (left(token, clock()) >= FLOOR) return cache.keep(key, token, wanted)
    const error = new BrokerError('upstream_life_too_short', {
      upstream: upstream.id,
      life: token.life / 1000,
    })
    cache.refuse(key, { error, since: token.sentAt, for: Math.max(token.life, 1000) })
    throw error
  })
}

/** An outage is not remembered here: the upstream's breaker and its Retry-After pace the calls. */
function remembered(
  error: BrokerError,
  { clock, cache, hasWorked }: FetchPorts,
  key: string,
  upstream: Upstream,
): BrokerError {
  const { failure } = error
  if (failure === 'outage') return error
  const isNew = failure !== 'garbled' && !hasWorked(upstream)
  const doubled = NEVER_WORKED.first * 2 ** cache.refusals(key)
  const span = isNew ? Math.min(doubled, NEVER_WORKED.most) : WORKED_BEFORE
  cache.refuse(key, { error, since: clock(), for: span })
  return error
}

/**
 * After a fetch that did not bring a longer life, as after one that failed, the key rests: some EHRs issue the same
 * token until it expires, and would otherwise be asked on every request.
 */
export async function refreshBehind(ports: FetchPorts, key: string, entry: Entry): Promise<void> {
  const { clock, chance, onRefreshFailed } = ports
  if (entry.rest && !isOver(entry.rest, clock())) return
  const rest = (milliseconds: number): void => {
    entry.rest = { since: clock(), for: milliseconds * (1 + chance()) }
  }
  try {
    const token = await fetchToken(ports, key, entry.wanted)
    if (token === entry.token) rest(Math.max(RETRY_BEHIND.first, left(token, clock()) / 3))
  } catch (error) {
    const doubled = Math.min(RETRY_BEHIND.first * 2 ** entry.failures++, RETRY_BEHIND.most)
    // Near the end it is tried more often, and never less than that.
    rest(Math.max(RETRY_BEHIND.first, Math.min(doubled, left(entry.token, clock()) / 6)))
    onRefreshFailed(entry.wanted.upstream, asBrokerError(error))
  }
}
