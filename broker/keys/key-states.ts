import { type KeyFacts, NO_RECORD } from './key-facts.ts'
import type { Plan } from './plan.ts'
import { provenAt } from './proof.ts'
import { type HoldReason, holdsOn } from './retirement.ts'
import { isNewer } from './rotation.ts'
import { sightingOf } from './sightings.ts'

/** From its making to its end; `standby` and `revoked` stand beside the road. */
export type KeyStateName =
  | 'made'
  | 'proposed'
  | 'live'
  | 'proven'
  | 'signing'
  | 'resting'
  | 'retirable'
  | 'gone'
  | 'standby'
  | 'revoked'

export interface KeyStatus {
  key: KeyFacts
  state: KeyStateName
  /** Milliseconds since the epoch; null where nothing tells. */
  since: number | null
  /** Ids of the upstreams that it signs for. */
  signsFor: readonly string[]
  waitsFor: readonly Wait[]
}

/** What has to come about before the next state. `until`, in milliseconds since the epoch, where time alone does it. */
export interface Wait {
  what: 'replicas' | 'proposal' | 'publication' | 'guard' | 'wave' | 'removal' | HoldReason
  upstreams: readonly string[]
  until: number | null
}

/** What is waited for, in words. */
export const WAITS: Readonly<Record<Wait['what'], string>> = {
  replicas: 'the other brokers to have it',
  proposal: 'its pull request',
  publication: 'its pull request to be merged and live',
  guard: 'the guard time, since copies of the set without it may be about',
  wave: 'its turn: the upstreams before must take it first',
  removal: 'its removal from the set',
  no_successor: 'a newer key that signs',
  signing: 'the newer key to sign',
  pinned: 'hospitals that have loaded it by hand',
  fallback: 'upstreams that do not take the newer key',
  not_accepted: 'upstreams that have not accepted a newer key yet',
  resting: 'what it signed to run out',
  replica: 'another broker that may still sign with it',
}

/** The state of each key, newest first. */
export const keyStates = (plan: Plan): KeyStatus[] =>
  plan.situation.keys
    .toSorted((a, b) => (isNewer(a, b) ? -1 : 1))
    .map(key => ({ key, signsFor: signedFor(key, plan), ...stateOf(key, plan) }))

type Standing = Pick<KeyStatus, 'state' | 'since' | 'waitsFor'>

const signedFor = ({ thumbprint }: KeyFacts, { choices }: Plan): string[] =>
  [...choices].filter(([, choice]) => choice?.key.thumbprint === thumbprint).map(([id]) => id)

const standing = (state: KeyStateName, since: number | null, ...waitsFor: Wait[]): Standing => ({
  ...{ state, since, waitsFor },
})

const wait = (what: Wait['what'], until: number | null = null): Wait => ({
  ...{ what, until, upstreams: [] },
})

function stateOf(key: KeyFacts, plan: Plan): Standing {
  const { situation, choices } = plan
  const { liveSince, lastPresent } = sightingOf(situation.watched, key.thumbprint)
  const isLive = liveSince !== null
  if (key.revokedAt !== null)
    return standing('revoked', key.revokedAt, ...(isLive ? [wait('removal')] : []))
  const signsFor = signedFor(key, plan)
  if (!isLive && signsFor.length === 0)
    return lastPresent === null ? unpublished(key, plan) : standing('gone', lastPresent)
  if (key.role === 'standby') return standing('standby', liveSince)
  const holds = holdsOn(key, situation, choices, plan.ledger)
  const isFollowed = !holds.some(({ why }) => why === 'no_successor')
  const waits = holds.map(({ why, upstreams, until }) => ({ what: why, upstreams, until }))
  if (signsFor.length > 0) return standing('signing', liveSince, ...(isFollowed ? waits : []))
  if (isFollowed && isPast(key, plan))
    return holds.length === 0
      ? standing('retirable', liveSince, wait('removal'))
      : standing('resting', liveSince, ...waits)
  const proven = earliestProof(key, plan)
  if (proven === null || proven > situation.now)
    return standing('live', liveSince, wait('guard', proven))
  return standing('proven', proven, wait('wave'))
}

function unpublished({ thumbprint, created }: KeyFacts, plan: Plan): Standing {
  const rotation = plan.rotations.find(({ made }) => made === thumbprint)
  if (rotation && rotation.proposal !== null)
    return standing('proposed', rotation.proposedAt ?? rotation.asked, wait('publication'))
  const what = plan.isEverywhere(thumbprint) ? 'proposal' : 'replicas'
  return standing('made', created, wait(what))
}

/** A newer key of its line signs. */
const isPast = (key: KeyFacts, { choices }: Plan): boolean =>
  [...choices.values()].some(
    choice => choice !== null && choice.key.alg === key.alg && isNewer(choice.key, key),
  )

/** From when on some upstream of its line may be signed for with it; null while nothing proves it. */
export function earliestProof(key: KeyFacts, { situation }: Plan): number | null {
  const { upstreams, records, watched, settings } = situation
  const times = upstreams
    .filter(({ alg }) => alg === key.alg)
    .flatMap(
      ({ id, reader }) =>
        provenAt(key, reader, records.get(id) ?? NO_RECORD, watched, settings) ?? [],
    )
  return times.length === 0 ? null : times.reduce((one, other) => Math.min(one, other))
}
