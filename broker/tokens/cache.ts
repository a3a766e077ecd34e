import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Clock, type Instant, isOver, remaining, type Span } from '../clock.ts'
import type { BrokerError } from '../errors.ts'
import type { UpstreamToken } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Source } from './shared-fetch.ts'

/** A token as it is kept. Times are milliseconds. */
export interface HeldToken {
  accessToken: string
  /** SHA-256 in hex: the only form in which a token is ever recorded. */
  sha256: string
  scope: string
  kid: string
  source: Source
  sentAt: Instant
  life: number
  /** Past this much of its life it is refreshed behind the callers' backs. */
  soft: number
}

/** What a token is got for. */
export interface Wanted {
  upstream: Upstream
  scopes: readonly string[]
}

/** What is kept under one key: the token, and what paces the calls for the next one. */
export interface Entry {
  token: HeldToken
  wanted: Wanted
  /** A service says that the EHR refused it, so that the next one takes its place whatever its life. */
  isSuspect: boolean
  /** When it was last fetched for such a report. */
  reported: Span | null
  /** Fetches behind that failed since the token came. */
  failures: number
  /** No refresh behind before this has run out. */
  rest: Span | null
  /** When the key was last fetched for the sake of minimum_ttl. */
  fetchedForTtl: Instant | null
}

export interface TokenCache {
  entry: (key: string) => Entry | undefined
  /** The same, which counts as no use of it. */
  peek: (key: string) => Entry | undefined
  /** The entry that holds the token with this SHA-256, and its key. */
  holding: (sha256: string) => { key: string; entry: Entry } | undefined
  /** Keeps the token, unless the one that is held lives longer; returns the one that is held now. */
  keep: (key: string, token: HeldToken, wanted: Wanted) => HeldToken
  /** A refusal that has not run out. */
  refusal: (key: string) => BrokerError | undefined
  /** How often in a row the key was refused. */
  refusals: (key: string) => number
  refuse: (key: string, refusal: Span & { error: BrokerError }) => void
  /** Forgets what was refused: what was wrong may have been mended. */
  forgive: () => void
  /** Lets go of every token that has run out. */
  sweep: () => void
  entries: () => IterableIterator<[string, Entry]>
}

/** Keys. A service may ask for any subset of its scopes, and each is a key; the least recently used go first. */
const MOST_ENTRIES = 100_000

export function memoryCache(clock: Clock, mostEntries: number = MOST_ENTRIES): TokenCache {
  const keys = new Map<string, string>()
  const entries = new LRUCache<string, Entry>({
    max: mostEntries,
    dispose: ({ token }, key) => {
      if (keys.get(token.sha256) === key) keys.delete(token.sha256)
    },
  })
  const refusals = new LRUCache<string, Span & { error: BrokerError; times: number }>({
    max: mostEntries,
  })
  return {
    entry: key => entries.get(key),
    peek: key => entries.peek(key),
    holding: sha256 => {
      const key = keys.get(sha256) ?? ''
      const entry = entries.peek(key)
      return entry?.token.sha256 === sha256 ? { key, entry } : undefined
    },
    keep: (key, token, wanted) => {
      refusals.delete(key)
      const entry = entries.peek(key)
      if (entry && !isBetter(token, entry, clock())) return entry.token
      const { fetchedForTtl, reported } = entry ?? { fetchedForTtl: null, reported: null }
      const fresh = { rest: null, failures: 0, isSuspect: false }
      entries.set(key, { token, wanted, fetchedForTtl, reported, ...fresh })
      keys.set(token.sha256, key)
      return token
    },
    refusal: key => {
      const found = refusals.peek(key)
      return found && !isOver(found, clock()) ? found.error : undefined
    },
    refusals: key => refusals.peek(key)?.times ?? 0,
    refuse: (key, refusal) =>
      void refusals.set(key, { ...refusal, times: (refusals.peek(key)?.times ?? 0) + 1 }),
    forgive: () => refusals.clear(),
    sweep: () => {
      const now = clock()
      const over: string[] = []
      entries.forEach((entry, key) => {
        if (left(entry.token, now) <= 0) over.push(key)
      })
      for (const key of over) entries.delete(key)
    },
    entries: () => entries.entries(),
  }
}

/** Whether the token takes the place of the one that is held: it lives longer, or that one is suspect. */
export function isBetter(token: HeldToken, { token: present, isSuspect }: Entry, now: Instant) {
  if (isSuspect) return token.sha256 !== present.sha256
  return left(present, now) < left(token, now)
}

/** Milliseconds that the token still lives, by the clock that says sooner. */
export const left = (token: HeldToken, now: Instant): number =>
  remaining(token.sentAt, token.life, now)

/** Milliseconds before the end at which a refresh begins: a third of the life, at most five minutes. */
const MOST_LEAD = 300_000

/** The token with its times. `chance` (0 to 1) shortens the lead by up to a fifth, so that many do not go at once. */
export function held(token: UpstreamToken, source: Source, chance: number): HeldToken {
  const { accessToken, scope, kid, sentAt } = token
  const life = token.life * 1000
  const lead = Math.min(life / 3, MOST_LEAD) * (1 - chance / 5)
  return {
    accessToken,
    sha256: hash('sha256', accessToken, 'hex'),
    scope,
    kid,
    source,
    sentAt,
    life,
    soft: life - lead,
  }
}
