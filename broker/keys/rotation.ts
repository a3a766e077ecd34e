import type { KeyFacts, KeyRecord, UpstreamFacts } from './key-facts.ts'
import { NO_RECORD } from './key-facts.ts'
import { type GuardSettings, provenAt } from './proof.ts'
import { lastAccepted } from './records.ts'
import { isLive, sightingOf, type Watched } from './sightings.ts'
import { type IsOpenFor, openWaves } from './waves.ts'

/** One environment, as one replica knows it. Times are milliseconds since the epoch. */
export interface Situation {
  keys: readonly KeyFacts[]
  watched: Watched
  upstreams: readonly UpstreamFacts[]
  /** By upstream id. */
  records: ReadonlyMap<string, KeyRecord>
  settings: GuardSettings
  now: number
}

/** Why this key signs. */
export type Because =
  /** The newest that is proven. */
  | 'newest'
  /** It signed before, and none that is newer is proven, or it is not yet this upstream's turn. */
  | 'in_use'
  /** The hospital has loaded it by hand. */
  | 'pinned'
  /** The upstream took it last, and does not take the newer one. */
  | 'fallback'
  /** It is live, and nothing proves for how long: nothing that is proven is there. */
  | 'unproven'
  /** None is known to be live. */
  | 'unseen'

/** Nothing proves that the key is taken. */
export const isGuess = ({ because }: Choice): boolean =>
  because === 'unproven' || because === 'unseen'

export interface Choice {
  key: KeyFacts
  because: Because
}

/**
 * Which key signs for each upstream; null where there is none. Among the keys of its algorithm whose private half is
 * here and that were not revoked, the newest that is proven, when its wave has come; while there is a proven key no
 * other signs, and while there is one that was not released none that was. What is in use stays until a newer one is proven; where the set was seen without it, until any is: that
 * it is gone from the set is no reason to stop, and a good one to sign with what is there. Where none is proven, what the
 * upstream has refused twice gives way to another of which as much is known.
 *
 * @see design §6
 */
export function chooseSigners(situation: Situation): Map<string, Choice | null> {
  const isOpenFor = openWaves(situation)
  return new Map(situation.upstreams.map(each => [each.id, chooseFor(each, situation, isOpenFor)]))
}

/** As `chooseSigners`, for one of its upstreams, by the waves of all. */
export function chooseFor(
  upstream: UpstreamFacts,
  situation: Situation,
  isOpenFor: IsOpenFor,
): Choice | null {
  const { keys, records, now } = situation
  const record = records.get(upstream.id) ?? NO_RECORD
  const usable = keys.filter(
    key => key.alg === upstream.alg && key.isHere && key.revokedAt === null,
  )
  if (upstream.pinned !== null) {
    const pinned = usable.filter(({ kid }) => upstream.pinned?.includes(kid))
    return choice(newestOf(unlessReleased(pinned)), 'pinned')
  }
  const all = usable.filter(({ role }) => role === 'signer')
  const proven = unlessReleased(
    all.filter(key => {
      const at = provenAt(key, upstream.reader, record, situation.watched, situation.settings)
      return at !== null && at <= now
    }),
  )
  const isNeeded = proven.every(({ isReleased }) => isReleased)
  const signers = isNeeded ? all : all.filter(({ isReleased }) => !isReleased)
  const newest = newestOf(proven)
  const inUse = signers.find(({ thumbprint }) => thumbprint === record.inUse) ?? null
  const isTaken = inUse !== null && inUse.thumbprint in record.accepted
  const isKept = isTaken && !wasSeenGone(inUse, situation)
  if (newest === null) {
    if (isKept) return choice(inUse, 'in_use')
    const others = signers.filter(({ thumbprint }) => thumbprint !== record.fallback?.from)
    return (
      oldestLive(others, situation) ??
      oldestLive(signers, situation) ??
      unseen(others.length > 0 ? others : signers, isTaken ? inUse : null)
    )
  }
  const isHeld = inUse !== null && (proven.includes(inUse) || isKept)
  // What is newer than any that is proven stays.
  const stays = isHeld && (!isNewer(newest, inUse) || !isOpenFor(newest, upstream))
  const wanted = stays ? inUse : newest
  if (record.fallback?.from === wanted.thumbprint && record.fallback.until > now) {
    const last = lastAccepted(
      record,
      name => name !== wanted.thumbprint && signers.some(({ thumbprint }) => thumbprint === name),
    )
    const before = signers.find(({ thumbprint }) => thumbprint === last)
    if (before) return choice(before, 'fallback')
  }
  return choice(wanted, wanted === newest ? 'newest' : 'in_use')
}

/** Those that were released are taken where there are no others. */
function unlessReleased(keys: readonly KeyFacts[]): readonly KeyFacts[] {
  const others = keys.filter(({ isReleased }) => !isReleased)
  return others.length > 0 ? others : keys
}

function wasSeenGone({ thumbprint }: KeyFacts, { watched }: Situation): boolean {
  const { liveSince, lastAbsent } = sightingOf(watched, thumbprint)
  return liveSince === null && lastAbsent !== null
}

/** The one that has been live longest, which most copies have; of those of one moment the oldest. */
function oldestLive(signers: readonly KeyFacts[], { watched }: Situation): Choice | null {
  const since = ({ thumbprint }: KeyFacts): number =>
    sightingOf(watched, thumbprint).liveSince ?? Number.POSITIVE_INFINITY
  const longest = Math.min(...signers.map(since))
  const live = signers.filter(key => isLive(watched, key.thumbprint) && since(key) === longest)
  return choice(newestOf(live, -1), 'unproven')
}

/** None is known to be live: what was accepted, else the oldest of all. */
const unseen = (signers: readonly KeyFacts[], taken: KeyFacts | null): Choice | null =>
  taken ? choice(taken, 'in_use') : choice(newestOf(signers, -1), 'unseen')

const choice = (key: KeyFacts | null, because: Because): Choice | null => key && { key, because }

/** By the moment it was made, ties by kid. */
export const isNewer = (one: KeyFacts, other: KeyFacts): boolean =>
  one.created > other.created || (one.created === other.created && one.kid > other.kid)

function newestOf(keys: readonly KeyFacts[], sign: 1 | -1 = 1): KeyFacts | null {
  const sorted = keys.toSorted((a, b) => (isNewer(a, b) === (sign === 1) ? -1 : 1))
  return sorted[0] ?? null
}
