import type { KeyFacts } from './key-facts.ts'
import { earliestProof, type KeyStateName, type KeyStatus } from './key-states.ts'
import type { Plan } from './plan.ts'
import { sightingOf } from './sightings.ts'

/** A state that a key has reached, and when, in milliseconds since the epoch. */
export interface Mark {
  state: KeyStateName
  at: number
}

/** The state that a key reaches next, and the earliest moment for it; null where time alone does not tell. */
export interface NextMark {
  state: KeyStateName
  earliest: number | null
}

/** What is known of a key's way so far, the earliest first. */
export function marksOf({ key, state }: KeyStatus, plan: Plan): Mark[] {
  const { situation, rotations, ledger } = plan
  const { thumbprint, revokedAt } = key
  const { liveSince, lastPresent } = sightingOf(situation.watched, thumbprint)
  const proven = liveSince === null ? null : earliestProof(key, plan)
  const isPast = state === 'resting' || state === 'retirable' || state === 'gone'
  const isGone = liveSince === null && lastPresent !== null && state !== 'signing'
  const found: [KeyStateName, number | null | undefined][] = [
    // When somebody else made his is not known here.
    ['made', key.isHere ? key.created : null],
    ['proposed', rotations.find(({ made }) => made === thumbprint)?.proposedAt],
    ['live', liveSince],
    ['proven', proven !== null && proven <= situation.now ? proven : null],
    ['signing', firstAsked(key, plan)],
    ['resting', isPast ? ledger.lastSigned[thumbprint] : null],
    ['revoked', revokedAt],
    ['gone', isGone ? lastPresent : null],
  ]
  return found
    .flatMap(([reached, at]) => (at === null || at === undefined ? [] : [{ state: reached, at }]))
    .sort((a, b) => a.at - b.at)
}

const AFTER: Partial<Record<KeyStateName, KeyStateName>> = {
  ...{ made: 'proposed', proposed: 'live', live: 'proven', proven: 'signing' },
  ...{ signing: 'resting', resting: 'retirable', retirable: 'gone' },
}

const DAY = 24 * 60 * 60 * 1000

/** `every`: days after which a key is followed by another; null where a command alone does it. */
export function nextOf(status: KeyStatus, plan: Plan, every: number | null): NextMark | null {
  const { key, state, waitsFor } = status
  const isSeen = sightingOf(plan.situation.watched, key.thumbprint).liveSince !== null
  if (state === 'revoked') return isSeen ? { state: 'gone', earliest: null } : null
  const next = AFTER[state]
  if (next === undefined) return null
  const untils = waitsFor.flatMap(({ until }) => until ?? [])
  if (state !== 'signing' || waitsFor.length > 0)
    return { state: next, earliest: untils.length > 0 ? Math.max(...untils) : null }
  if (every === null) return null
  const due = key.created + every * DAY
  return { state: next, earliest: due > plan.situation.now ? due : null }
}

/** When it was first signed with for anybody, as far as is recorded. */
function firstAsked({ thumbprint }: KeyFacts, { situation }: Plan): number | null {
  const times = [...situation.records.values()].flatMap(
    ({ asked }) => asked[thumbprint]?.first ?? [],
  )
  return times.length === 0 ? null : times.reduce((one, other) => Math.min(one, other))
}
