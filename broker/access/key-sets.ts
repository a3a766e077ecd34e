import type { KeyObject } from 'node:crypto'
import { type CallerKey, isFor } from '../caller-keys.ts'
import { type Clock, type Instant, remaining } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { KeySource, KeyUrl } from './access.ts'
import type { FetchKeys } from './fetch-keys.ts'
import type { ReadJwt } from './jwt.ts'
import { openBuckets } from './token-bucket.ts'

/**
 * The key that a token names. To be asked only once header and claims fit a rule. `address` is who asks.
 *
 * Refused: `assertion_key_unknown`, `caller_keys_unavailable`.
 */
export type KeyFor = (
  source: KeySource,
  jwt: Pick<ReadJwt, 'alg' | 'kid'>,
  address: string,
) => Promise<KeyObject>

/** Milliseconds. A set is renewed behind the callers' backs, then waited for, then not believed any more. */
const AGE = { fresh: 600_000, awaited: 3_600_000, most: 86_400_000 }
/** Milliseconds after a fetch that failed before there is another. */
const PAUSE = 5_000
/**
 * Fetches for kids that are not in the set, of one set: however many strange kids come, a set is looked at so often that
 * a real one among them is found within five seconds. A single address has but a part of it, so that it alone cannot
 * make the others wait even that long.
 */
const FOR_UNKNOWN = { perMinute: 12, burst: 6 }
const FOR_ONE_ADDRESS = { perMinute: 6, burst: 2 }
/** Buckets that are remembered. */
const MOST = 10_000

/**
 * Key sets, each fetched once however many wait for it, and kept: an issuer that is out of order for less than a day
 * keeps nobody out whose key we have seen.
 */
export function openKeySets(clock: Clock, fetchKeys: FetchKeys): KeyFor {
  const held = new Map<string, Held>()
  const take = openBuckets(clock, MOST)
  const mayFetch = (name: string, address: string): boolean =>
    take(JSON.stringify([name, address]), FOR_ONE_ADDRESS) === 0 && take(name, FOR_UNKNOWN) === 0
  return async (source, jwt, address) => {
    const unknown = new BrokerError('assertion_key_unknown')
    if ('keys' in source) {
      const key = oneOf(source.keys, jwt)
      if (key) return key
      throw unknown
    }
    const name = JSON.stringify([source.url, source.ca, source.tokenFile])
    const set = held.get(name) ?? hold(clock, source, fetchKeys)
    held.set(name, set)
    const looks = set.looks()
    const unavailable = new BrokerError('caller_keys_unavailable', { url: source.url })
    const keys = await set.current()
    if (keys === null) throw unavailable
    const known = oneOf(keys, jwt)
    if (known) return known
    const isNew = set.looks() > looks
    if (!isNew && (set.isBeingFetched() || mayFetch(name, address))) await set.renew()
    const found = oneOf(set.last(), jwt)
    if (found) return found
    throw set.hasFailed() ? unavailable : unknown
  }
}

/** The key of that kid, or the only one there is where the token names none. Two that fit are as good as none. */
function oneOf(keys: readonly CallerKey[], { alg, kid }: Pick<ReadJwt, 'alg' | 'kid'>) {
  const fitting = keys.filter(each => isFor(each, alg) && (kid === null || each.kid === kid))
  return fitting.length === 1 ? fitting[0]?.key : undefined
}

interface Held {
  /** The keys, which may be a little old; null where there are none to be had. */
  current: () => Promise<readonly CallerKey[] | null>
  renew: () => Promise<void>
  last: () => readonly CallerKey[]
  hasFailed: () => boolean
  /** How often it was fetched, well or not. */
  looks: () => number
  isBeingFetched: () => boolean
}

function hold(clock: Clock, source: KeyUrl, fetchKeys: FetchKeys): Held {
  let known: { keys: readonly CallerKey[]; at: Instant } | null = null
  let failedAt: Instant | null = null
  let flight: Promise<void> | null = null
  let looks = 0
  const fetchOnce = async (): Promise<void> => {
    const at = clock()
    // What nobody foresaw is a failed look too: a set that is being renewed has nobody to catch it.
    const keys = await fetchKeys(source).catch(() => null)
    failedAt = keys === null ? clock() : null
    looks++
    if (keys !== null) known = { keys, at }
  }
  const renew = (): Promise<void> => {
    flight ??= fetchOnce().finally(() => {
      flight = null
    })
    return flight
  }
  const isWithin = (age: number): boolean => known !== null && remaining(known.at, age, clock()) > 0
  const isPausing = (): boolean => failedAt !== null && remaining(failedAt, PAUSE, clock()) > 0
  return {
    current: async () => {
      if (!isWithin(AGE.fresh) && !isPausing()) {
        // While it cannot be had nobody waits for it who can do with the old one.
        const isUrgent = !isWithin(failedAt === null ? AGE.awaited : AGE.most)
        const renewal = renew()
        if (isUrgent) await renewal
      }
      return isWithin(AGE.most) ? (known?.keys ?? null) : null
    },
    renew,
    last: () => known?.keys ?? [],
    hasFailed: () => failedAt !== null,
    looks: () => looks,
    isBeingFetched: () => flight !== null,
  }
}
