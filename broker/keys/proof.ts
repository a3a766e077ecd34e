import type { KeyFacts, KeyRecord, Reader } from './key-facts.ts'
import { longestLife, sightingOf, type Watched } from './sightings.ts'

/** Seconds. Twice the life of what an edge of GitHub Pages keeps: it may hand out its copy to a proxy at the last moment. */
const LEAST_GUARD = 20 * 60
/** Seconds. The longest that Epic keeps a set, whatever it is told. @see Epic, OAuth 2.0: JWK Set URL */
const EPIC_MOST = 29 * 60 * 60
/** Seconds that a reader of which nothing is documented is thought to keep a set. */
const UNDOCUMENTED = 24 * 60 * 60

/** Set by the operator, per environment. */
export interface GuardSettings {
  /** Seconds, in place of all that is worked out here; null for that. */
  guard: number | null
  /** By thumbprint: live since then by the operator's word or by the publisher's deployment record. */
  claimed: Readonly<Record<string, number>>
}

/**
 * Seconds for which a key that went live then must be live before it signs for such a reader: as long as any copy of
 * the set without it may be about.
 *
 * @see design §6 "Guard" · RFC 9111 §4.2 · Epic, OAuth 2.0: JWK Set URL
 */
export function guardOf(
  reader: Reader,
  watched: Watched,
  liveSince: number,
  { guard }: GuardSettings,
): number {
  if (guard !== null) return guard
  if (reader.refetches)
    return Math.max(LEAST_GUARD, Math.min(EPIC_MOST, longestLife(watched, liveSince, 'shared')))
  const served = Math.max(
    longestLife(watched, liveSince, 'own'),
    longestLife(watched, liveSince, 'shared'),
  )
  return Math.max(LEAST_GUARD, served, reader.keeps ?? UNDOCUMENTED)
}

/**
 * A copy that was taken just before the watch began may have been given the longest life of all: nobody saw. By the
 * operator's word for the guard, or for the key, nobody needs to have seen.
 */
const seenEnough = ({ began }: Watched, { guard }: GuardSettings): number =>
  guard === null && began !== null ? began + EPIC_MOST * 1000 : 0

/** From when on the key may sign for that upstream, in milliseconds since the epoch; null while nothing proves it. */
export function provenAt(
  { thumbprint }: KeyFacts,
  reader: Reader,
  { accepted }: KeyRecord,
  watched: Watched,
  settings: GuardSettings,
): number | null {
  const { liveSince, lastAbsent } = sightingOf(watched, thumbprint)
  const taken = accepted[thumbprint]
  const times = [
    ...(liveSince === null
      ? []
      : [
          Math.max(
            liveSince + guardOf(reader, watched, liveSince, settings) * 1000,
            seenEnough(watched, settings),
          ),
        ]),
    // What was said or accepted is worth nothing once the key was seen to be gone.
    ...claimedProof(settings.claimed[thumbprint], lastAbsent, claimed => {
      return claimed + guardOf(reader, watched, claimed, settings) * 1000
    }),
    ...claimedProof(taken, lastAbsent, at => at),
  ]
  return times.length === 0 ? null : Math.min(...times)
}

const claimedProof = (
  at: number | undefined,
  lastAbsent: number | null,
  from: (at: number) => number,
): number[] => (at === undefined || (lastAbsent !== null && lastAbsent >= at) ? [] : [from(at)])
