import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { Controller } from './controller.ts'
import type { EnvironmentKeys } from './environment.ts'
import { type KeyStateName, keyStates, type Wait } from './key-states.ts'
import type { Note } from './notes.ts'
import type { Step } from './plan.ts'
import type { Standing } from './replicas.ts'
import type { Rotation } from './state.ts'
import { planFor } from './withdraw.ts'

/** The keys of one environment and what becomes of them. Times are ISO 8601, UTC. */
export interface KeyOverview {
  environment: Environment
  jwksUrl: string | null
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
  here: boolean
  created: string
  state: KeyStateName
  since: string | null
  signsFor: number
  waitsFor: { what: Wait['what']; upstreams: readonly string[]; until: string | null }[]
}

export interface StepLine {
  do: Step['do']
  /** A kid, an upstream, or an algorithm. */
  about: string
  /** What it waits for, or why it failed last; null where nothing is in its way. */
  waitsFor: { code: Note['code']; says: string; facts: Note['facts']; since: string } | null
}

export function overviewOf(
  environments: ReadonlyMap<Environment, EnvironmentKeys>,
  { steps, noteOf }: Pick<Controller, 'steps' | 'noteOf'>,
  says: (code: Note['code']) => string,
): KeyOverview[] {
  return [...environments].map(([environment, keys]) => {
    const { url, rotations } = keys.state()
    const kids = new Map(keys.situation().keys.map(({ thumbprint, kid }) => [thumbprint, kid]))
    const kidOf = (thumbprint: string): string => kids.get(thumbprint) ?? thumbprint
    const holder = keys.holder()
    return {
      ...{ environment, jwksUrl: url },
      keys: keyStates(planFor(keys)).map(({ key, state, since: at, signsFor, waitsFor }) => ({
        ...{ kid: key.kid, thumbprint: key.thumbprint, alg: key.alg, role: key.role },
        ...{ here: key.isHere, created: iso(key.created), state, since: isoOrNull(at) },
        signsFor: signsFor.length,
        waitsFor: waitsFor.map(each => ({ ...each, until: isoOrNull(each.until) })),
      })),
      replicas: keys.standings().map(({ id, is, heardAt, lacks }) => ({
        ...{ id, is, heardAt: iso(heardAt), rotates: id === holder, lacks: lacks.map(kidOf) },
      })),
      rotations: rotations.map(({ id, alg, role, because, proposal, asked, made }) => ({
        ...{ id, alg, role, because, proposal, asked: iso(asked) },
        kid: made === null ? null : kidOf(made),
      })),
      steps: steps(environment).map(step => lineOf(step, noteOf(environment, step), says)),
    }
  })
}

function lineOf(step: Step, note: Note | null, says: (code: Note['code']) => string): StepLine {
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
const isoOrNull = (wall: number | null): string | null => (wall === null ? null : iso(wall))
