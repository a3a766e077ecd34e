import type { KeyRecord } from './key-facts.ts'

/** One call to an EHR, by what it says of the key. `silent`: no answer that the EHR's own software made. */
export interface Attempt {
  thumbprint: string
  at: number
  outcome: 'accepted' | 'refused' | 'answered' | 'silent'
}

const HOUR = 60 * 60 * 1000
/** Milliseconds after which a key that was not taken is tried again, doubled each time up to the second. */
const [FIRST_DELAY, LAST_DELAY] = [HOUR, 12 * HOUR]
/** A no may be a whim of Epic's: it counts when it is said twice. */
const TWICE = 2

/**
 * What is known of an upstream after a call. A key that it never accepted and has refused twice is left for the one
 * that it accepted last, and tried again later.
 */
export function afterAttempt(record: KeyRecord, { thumbprint, at, outcome }: Attempt): KeyRecord {
  const before = record.asked[thumbprint] ?? { first: at, hasAnswered: false }
  const asked = {
    ...record.asked,
    [thumbprint]: { ...before, hasAnswered: before.hasAnswered || outcome !== 'silent' },
  }
  const next = { ...record, inUse: thumbprint, asked }
  if (outcome === 'accepted')
    return {
      ...next,
      accepted: { ...record.accepted, [thumbprint]: at },
      // That another key is accepted meanwhile takes nothing back.
      refused: record.refused?.thumbprint === thumbprint ? null : record.refused,
      fallback: record.fallback?.from === thumbprint ? null : record.fallback,
    }
  if (outcome !== 'refused' || record.accepted[thumbprint] !== undefined) return next
  const times = record.refused?.thumbprint === thumbprint ? record.refused.times + 1 : 1
  const refused = { thumbprint, times }
  if (times < TWICE || Object.keys(record.accepted).length === 0) return { ...next, refused }
  const delay =
    record.fallback?.from === thumbprint
      ? Math.min(record.fallback.delay * 2, LAST_DELAY)
      : FIRST_DELAY
  return { ...next, refused: null, fallback: { from: thumbprint, until: at + delay, delay } }
}

/** Whether an attempt told more than another time of the same. */
export const hasNews = (before: KeyRecord, after: KeyRecord, thumbprint: string): boolean =>
  before.inUse !== after.inUse ||
  before.fallback !== after.fallback ||
  before.refused?.times !== after.refused?.times ||
  (before.accepted[thumbprint] === undefined) !== (after.accepted[thumbprint] === undefined) ||
  before.asked[thumbprint]?.hasAnswered !== after.asked[thumbprint]?.hasAnswered

/** The thumbprint that the upstream accepted last, among those that may sign; null for none. */
export function lastAccepted(
  { accepted }: KeyRecord,
  may: (thumbprint: string) => boolean,
): string | null {
  const known = Object.entries(accepted).filter(([thumbprint]) => may(thumbprint))
  return known.sort(([, a], [, b]) => b - a)[0]?.[0] ?? null
}
