import { type KeyFacts, type KeyRecord, NO_RECORD, type UpstreamFacts } from './key-facts.ts'
import { guardOf } from './proof.ts'
import { lastAccepted } from './records.ts'
import { type Choice, isNewer, type Situation } from './rotation.ts'
import { EXCUSED_AFTER, hasPassed } from './waves.ts'

/** What was signed, by all replicas together. Times are milliseconds since the epoch. */
export interface Ledger {
  /** From when on it is complete. */
  since: number
  /** By thumbprint. */
  lastSigned: Readonly<Record<string, number>>
  /** The other replicas, by what they said last. */
  replicas: readonly ReplicaReport[]
}

export interface ReplicaReport {
  id: string
  at: number
  /** As `inUseBy` has it there. */
  inUse: readonly string[]
  lastSignature: number | null
}

/** Why a key may not go. `until`, where time alone mends it. */
export interface Hold {
  why: HoldReason
  upstreams: readonly string[]
  until: number | null
}

/**
 * Thumbprints of the keys that sign for somebody, of those that signed last, and of those that a hospital took last which
 * has refused a newer one: a watch that goes blind, a restart, or the next try of the newer may bring one of them back.
 */
export const inUseBy = (
  choices: ReadonlyMap<string, Choice | null>,
  records: ReadonlyMap<string, KeyRecord>,
): string[] => {
  const chosen = [...choices.values()].flatMap(choice => (choice ? [choice.key.thumbprint] : []))
  const last = [...records.values()].flatMap(({ inUse }) => (inUse === null ? [] : [inUse]))
  const fallbacks = [...records.values()].flatMap(record => {
    const { fallback } = record
    return (fallback && lastAccepted(record, name => name !== fallback.from)) ?? []
  })
  return [...new Set([...chosen, ...last, ...fallbacks])]
}

export type HoldReason =
  /** No newer key of its line signs. */
  | 'no_successor'
  /** It signs. */
  | 'signing'
  /** A hospital has loaded it by hand. */
  | 'pinned'
  /** A hospital that does not take the newer one. */
  | 'fallback'
  /** No newer one was accepted there yet. */
  | 'not_accepted'
  /** What it signed may still be on its way, or was not recorded. */
  | 'resting'
  /** Another replica has not said that it signs with a newer one. */
  | 'replica'

/** Milliseconds that an assertion may be used. @see Epic, OAuth 2.0: the exp of a JWT */
const ASSERTION_LIFE = 5 * 60 * 1000

/**
 * What keeps a key in the published set; nothing where it may be withdrawn. Revoked keys and standbys are no matter of
 * this.
 *
 * @see design §6 "Retirable"
 */
export function holdsOn(
  key: KeyFacts,
  situation: Situation,
  choices: ReadonlyMap<string, Choice | null>,
  ledger: Ledger,
): Hold[] {
  const line = situation.upstreams.filter(({ alg }) => alg === key.alg)
  const idsOf = (test: (upstream: UpstreamFacts, choice: Choice | null) => boolean): string[] =>
    line.filter(each => test(each, choices.get(each.id) ?? null)).map(({ id }) => id)
  const isIt = (choice: Choice | null): boolean => choice?.key.thumbprint === key.thumbprint
  const holds: Hold[] = []
  const hold = (why: HoldReason, upstreams: string[], until: number | null = null): void => {
    holds.push({ why, upstreams, until })
  }
  const holdFor = (why: HoldReason, upstreams: string[]): void => {
    if (upstreams.length > 0) hold(why, upstreams)
  }
  if (![...choices.values()].some(choice => choice && isSuccessor(choice.key, key)))
    hold('no_successor', [])
  holdFor(
    'pinned',
    idsOf(({ pinned }) => pinned?.includes(key.kid) === true),
  )
  holdFor(
    'fallback',
    idsOf((_, choice) => isIt(choice) && choice?.because === 'fallback'),
  )
  holdFor(
    'signing',
    idsOf(
      ({ pinned }, choice) => isIt(choice) && pinned === null && choice?.because !== 'fallback',
    ),
  )
  holdFor(
    'not_accepted',
    idsOf(each => each.pinned === null && !hasMovedOn(key, each, situation)),
  )
  const rested = restedAt(key, line, situation, ledger)
  if (rested > situation.now) hold('resting', [], rested)
  if (ledger.replicas.some(each => holdsBack(each, key, situation))) hold('replica', [])
  return holds
}

const isSuccessor = (one: KeyFacts, key: KeyFacts): boolean =>
  one.alg === key.alg && one.thumbprint !== key.thumbprint && isNewer(one, key)

/** It accepted a newer key, never accepted any, or did not answer for so long. */
function hasMovedOn(key: KeyFacts, upstream: UpstreamFacts, situation: Situation): boolean {
  const record: KeyRecord = situation.records.get(upstream.id) ?? NO_RECORD
  if (Object.keys(record.accepted).length === 0) return true
  return situation.keys.some(
    each =>
      isSuccessor(each, key) && each.revokedAt === null && hasPassed(each, upstream, situation),
  )
}

/** Whose last signature nobody knows may have signed until the records begin. */
function restedAt(
  { thumbprint }: KeyFacts,
  line: readonly UpstreamFacts[],
  { watched, settings, now }: Situation,
  { lastSigned, since }: Ledger,
): number {
  const last = Math.max(since, lastSigned[thumbprint] ?? 0)
  const guards = line.map(({ reader }) => guardOf(reader, watched, now, settings))
  return last + ASSERTION_LIFE + Math.max(0, ...guards) * 1000
}

/** Who lives or signed lately, and does not say that newer keys alone sign there: one that is idle may sign any moment. */
function holdsBack(
  { at, inUse, lastSignature }: ReplicaReport,
  key: KeyFacts,
  { keys, now }: Situation,
): boolean {
  if (now - Math.max(at, lastSignature ?? 0) >= EXCUSED_AFTER) return false
  const used = keys.filter(
    each => each.alg === key.alg && each.revokedAt === null && inUse.includes(each.thumbprint),
  )
  return used.length === 0 || used.some(each => !isSuccessor(each, key))
}
