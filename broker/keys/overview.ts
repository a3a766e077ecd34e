import type { Environment } from '../../keys-pipeline/key-set.ts'
import { ALARMS, type AlarmCode } from '../alarm-table.ts'
import type { Controller } from './controller.ts'
import type { EnvironmentKeys } from './environment.ts'
import { type KeyStateName, type KeyStatus, keyStates, WAITS, type Wait } from './key-states.ts'
import type { Note } from './notes.ts'
import type { Plan, Step } from './plan.ts'
import type { Standing } from './replicas.ts'
import { marksOf, nextOf } from './road.ts'
import type { Rotation } from './state.ts'
import { planFor } from './withdraw.ts'

/** The keys of one environment and what becomes of them. Times are ISO 8601, UTC. */
export interface KeyOverview {
  environment: Environment
  /** Where the published set is watched; null where it is not. */
  jwksUrl: string | null
  /** The last look at it, and the last that told anything. */
  lastRound: string | null
  lastTold: string | null
  /** What should not be, the gravest first. */
  alarms: { code: AlarmCode; says: string; since: string; about: readonly string[] }[]
  keys: KeyLine[]
  /** The brokers that share the store; none where none is shared. */
  replicas: ReplicaLine[]
  rotations: (Pick<Rotation, 'id' | 'alg' | 'role' | 'because' | 'proposal'> & {
    asked: string
    kid: string | null
  })[]
  /** What is to be done next. */
  steps: StepLine[]
}

export interface ReplicaLine {
  id: string
  is: Standing['is']
  heardAt: string
  /** It carries rotations on. */
  rotates: boolean
  /** Kids of keys that were revoked, of which it has not acknowledged that. */
  lacks: string[]
}

export interface KeyLine {
  kid: string
  thumbprint: string
  alg: string
  role: 'signer' | 'standby'
  /** Its private half is here. */
  here: boolean
  created: string
  /** Since when it has been seen in the live set without a gap; null while it is not. */
  liveSince: string | null
  lastSigned: string | null
  revoked: string | null
  state: KeyStateName
  since: string | null
  /** For how many upstreams it signs. */
  signsFor: number
  waitsFor: {
    what: Wait['what']
    says: string
    upstreams: readonly string[]
    until: string | null
  }[]
  /** The states that it has reached, the earliest first, as far as is known. */
  marks: { state: KeyStateName; at: string }[]
  /** The state that it reaches next, at the earliest then; null for the moment where time alone does not tell. */
  next: { state: KeyStateName; earliest: string | null } | null
}

export interface StepLine {
  do: Step['do']
  /** A kid, an upstream, or an algorithm. */
  about: string
  /** What it waits for, or why it failed last; null where nothing is in its way. */
  waitsFor: { code: Note['code']; says: string; facts: Note['facts']; since: string } | null
}

interface Ports extends Pick<Controller, 'steps' | 'noteOf'> {
  says: (code: Note['code']) => string
  /** Days after which a key is replaced; null for on command alone. */
  every: number | null
}

export function overviewOf(
  environments: ReadonlyMap<Environment, EnvironmentKeys>,
  ports: Ports,
): KeyOverview[] {
  return [...environments].map(([environment, keys]) => {
    const { url, rotations, lastSigned } = keys.state()
    const plan = planFor(keys)
    const { watched } = plan.situation
    const kids = new Map(plan.situation.keys.map(({ thumbprint, kid }) => [thumbprint, kid]))
    const kidOf = (thumbprint: string): string => kids.get(thumbprint) ?? thumbprint
    const holder = keys.holder()
    return {
      ...{ environment, jwksUrl: url },
      ...{ lastRound: isoOrNull(watched.lastRound), lastTold: isoOrNull(watched.lastTold) },
      alarms: keys
        .alarms()
        .map(({ code, since, about }) => ({ code, says: ALARMS[code], since: iso(since), about })),
      keys: keyStates(plan).map(status => ({
        ...lineOf(status, plan, ports.every),
        lastSigned: isoOrNull(lastSigned[status.key.thumbprint]),
      })),
      replicas: keys.standings().map(({ id, is, heardAt, lacks }) => ({
        ...{ id, is, heardAt: iso(heardAt), rotates: id === holder, lacks: lacks.map(kidOf) },
      })),
      rotations: rotations.map(({ id, alg, role, because, proposal, asked, made }) => ({
        ...{ id, alg, role, because, proposal, asked: iso(asked) },
        kid: made === null ? null : kidOf(made),
      })),
      steps: ports.steps(environment).map(step => stepOf(step, environment, ports)),
    }
  })
}

function lineOf(status: KeyStatus, plan: Plan, every: number | null): Omit<KeyLine, 'lastSigned'> {
  const { key, state, since, signsFor, waitsFor } = status
  const { kid, thumbprint, alg, role, isHere: here, created, revokedAt } = key
  const next = nextOf(status, plan, every)
  return {
    ...{ kid, thumbprint, alg, role, here, created: iso(created) },
    liveSince: isoOrNull(plan.situation.watched.sightings[thumbprint]?.liveSince),
    revoked: isoOrNull(revokedAt),
    ...{ state, since: isoOrNull(since), signsFor: signsFor.length },
    waitsFor: waitsFor.map(({ what, upstreams, until }) => ({
      ...{ what, says: WAITS[what], upstreams, until: isoOrNull(until) },
    })),
    marks: marksOf(status, plan).map(({ state: reached, at }) => ({ state: reached, at: iso(at) })),
    next: next && { state: next.state, earliest: isoOrNull(next.earliest) },
  }
}

function stepOf(step: Step, environment: Environment, { noteOf, says }: Ports): StepLine {
  const note = noteOf(environment, step)
  return {
    do: step.do,
    about: aboutOf(step),
    waitsFor: note && {
      ...{ code: note.code, says: says(note.code), facts: note.facts, since: iso(note.since) },
    },
  }
}

function aboutOf(step: Step): string {
  if (step.do === 'make') return step.rotation.alg
  return step.do === 'ask' ? step.upstream : step.key.kid
}

const iso = (wall: number): string => new Date(wall).toISOString()
const isoOrNull = (wall: number | null | undefined): string | null =>
  wall === null || wall === undefined ? null : iso(wall)
