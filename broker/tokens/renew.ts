import { type Instant, isOver, remaining, type Span } from '../clock.ts'
import { asBrokerError } from '../errors.ts'
import { left, type Wanted } from './cache.ts'
import { cacheKey } from './cache-key.ts'
import { type FetchPorts, FLOOR, fetchToken, refreshBehind } from './fetch.ts'

/** Milliseconds. A token that is reported is fetched anew at most once in that time, whoever reports it. */
const REPORT_PAUSE = 60_000

/** A token that a service says the EHR refused; `done` once there is a new one, or none to be had now. */
export interface Reported {
  wanted: Wanted
  /** As the EHR granted it. */
  scope: string
  renew: () => Promise<'renewed' | 'kept'>
}

/** The token with this SHA-256, if it is one of ours that is still held. */
export function reportedWith(ports: FetchPorts): (sha256: string) => Reported | undefined {
  const { cache, clock, onRefreshFailed } = ports
  return sha256 => {
    const found = cache.holding(sha256)
    if (found === undefined) return undefined
    const { key, entry } = found
    const { wanted, token } = entry
    const renew = async (): Promise<'renewed' | 'kept'> => {
      if (entry.reported && !isOver(entry.reported, clock())) return 'kept'
      entry.isSuspect = true
      entry.reported = { since: clock(), for: REPORT_PAUSE }
      try {
        const next = await fetchToken(ports, key, wanted)
        return next.sha256 === sha256 ? 'kept' : 'renewed'
      } catch (error) {
        // It is the only one there is: another EHR server may take it all the same.
        onRefreshFailed(wanted.upstream, asBrokerError(error))
        return 'kept'
      }
    }
    return { wanted, scope: token.scope, renew }
  }
}

export interface WarmPorts extends FetchPorts {
  /** What is kept fresh whether anybody asks or not: the same list for as long as the same is wanted. */
  wanted: () => readonly Wanted[]
}

/** Milliseconds over which the first fetches are spread, so that a start is no burst at anybody's door. */
const SPREAD = 60_000
/** Milliseconds before one that failed is tried again, before chance adds up to as much again. */
const AGAIN = 30_000
/** Milliseconds between two searches of all tokens; in between, only those are looked at that fall due meanwhile. */
const SEARCH_EVERY = 60_000

/**
 * Keeps tokens warm, and lets go of those that have run out. To be called every few seconds; what a call begins may
 * take longer than the next one.
 */
export function keepWarm(ports: WarmPorts): { tick: () => Promise<void> } {
  const { cache, clock, chance, onRefreshFailed } = ports
  const pauses = new Map<string, Span>()
  const pause = (key: string, milliseconds: number): void =>
    void pauses.set(key, { since: clock(), for: milliseconds })
  const warm = async (key: string, wanted: Wanted): Promise<void> => {
    const entry = cache.entry(key)
    if (entry && left(entry.token, clock()) >= FLOOR) {
      const { token } = entry
      if (remaining(token.sentAt, token.soft, clock()) <= 0) await refreshBehind(ports, key, entry)
      return
    }
    if (cache.refusal(key)) return
    const paused = pauses.get(key)
    if (paused === undefined) return pause(key, SPREAD * chance())
    if (!isOver(paused, clock())) return
    try {
      await fetchToken(ports, key, wanted)
    } catch (error) {
      pause(key, AGAIN * (1 + chance()))
      onRefreshFailed(wanted.upstream, asBrokerError(error))
    }
  }
  let known: { list: readonly Wanted[]; all: readonly Named[] } = { list: [], all: [] }
  let searched: Instant | null = null
  let soon: readonly Named[] = []
  const isDue = (key: string, within: number, now: Instant): boolean => {
    const token = cache.peek(key)?.token
    if (token === undefined) return true
    const soft = remaining(token.sentAt, token.soft, now)
    return Math.min(soft, left(token, now) - FLOOR) <= within
  }
  const search = (list: readonly Wanted[], now: Instant): void => {
    cache.sweep()
    if (known.list !== list)
      known = {
        list,
        all: list.map(wanted => ({ key: cacheKey(wanted.upstream, wanted.scopes), wanted })),
      }
    searched = now
    soon = known.all.filter(({ key }) => isDue(key, SEARCH_EVERY, now))
  }
  return {
    tick: async () => {
      const [now, list] = [clock(), ports.wanted()]
      const isOld = searched === null || remaining(searched, SEARCH_EVERY, now) <= 0
      if (isOld || known.list !== list) search(list, now)
      await Promise.all(
        soon.filter(({ key }) => isDue(key, 0, now)).map(({ key, wanted }) => warm(key, wanted)),
      )
    },
  }
}

interface Named {
  key: string
  wanted: Wanted
}
