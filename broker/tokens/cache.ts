import { hash } from 'node:crypto'
import { type Clock, type Instant, remaining } from '../clock.ts'
import type { BrokerError } from '../errors.ts'
import type { UpstreamToken } from '../upstream/exchange.ts'

/** A token as it is kept. Times are milliseconds. */
export interface HeldToken {
  accessToken: string
  /** SHA-256 in hex: the only form in which a token is ever recorded. */
  sha256: string
  scope: string
  kid: string
  sentAt: Instant
  life: number
  /** Past this much of its life it is refreshed behind the callers' backs. */
  soft: number
}

/** A span that begins at an instant; milliseconds. */
export interface Span {
  since: Instant
  for: number
}

/** What is kept under one key: the token, and what paces the calls for the next one. */
export interface Entry {
  token: HeldToken
  /** No refresh behind before this has run out. */
  rest: Span | null
  /** When the key was last fetched for the sake of minimum_ttl. */
  fetchedForTtl: Instant | null
}

export interface TokenCache {
  entry: (key: string) => Entry | undefined
  /** Keeps the token, unless the one that is held lives longer; returns the one that is held now. */
  keep: (key: string, token: HeldToken) => HeldToken
  /** A refusal that has not run out. */
  refusal: (key: string) => BrokerError | undefined
  refuse: (key: string, refusal: Span & { error: BrokerError }) => void
}

/** Keys. A service may ask for any subset of its scopes, and each is a key; the least recently used go first. */
const MOST_ENTRIES = 100_000

export function memoryCache(clock: Clock, mostEntries: number = MOST_ENTRIES): TokenCache {
  const entries = new Map<string, Entry>()
  const refusals = new Map<string, Span & { error: BrokerError }>()
  return {
    entry: key => touch(entries, key),
    keep: (key, token) => {
      refusals.delete(key)
      const entry = entries.get(key)
      const now = clock()
      if (entry && left(entry.token, now) >= left(token, now)) return entry.token
      put(
        entries,
        key,
        { token, rest: null, fetchedForTtl: entry?.fetchedForTtl ?? null },
        mostEntries,
      )
      return token
    },
    refusal: key => {
      const found = refusals.get(key)
      if (found === undefined) return undefined
      if (!isOver(found, clock())) return found.error
      refusals.delete(key)
      return undefined
    },
    refuse: (key, refusal) => put(refusals, key, refusal, mostEntries),
  }
}

/** Milliseconds that the token still lives, by the clock that says sooner. */
export const left = (token: HeldToken, now: Instant): number =>
  remaining(token.sentAt, token.life, now)

export const isOver = (span: Span, now: Instant): boolean =>
  remaining(span.since, span.for, now) <= 0

/** Milliseconds before the end at which a refresh begins: a third of the life, at most five minutes. */
const MOST_LEAD = 300_000

/** The token with its times. `chance` (0 to 1) shortens the lead by up to a fifth, so that many do not go at once. */
export function held(token: UpstreamToken, chance: number): HeldToken {
  const { accessToken, scope, kid, sentAt } = token
  const life = token.life * 1000
  const lead = Math.min(life / 3, MOST_LEAD) * (1 - chance / 5)
  return {
    accessToken,
    sha256: hash('sha256', accessToken, 'hex'),
    scope,
    kid,
    sentAt,
    life,
    soft: life - lead,
  }
}

function touch<T>(map: Map<string, T>, key: string): T | undefined {
  const value = map.get(key)
  if (value !== undefined) {
    map.delete(key)
    map.set(key, value)
  }
  return value
}

function put<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= most) return
    map.delete(oldest)
  }
}
