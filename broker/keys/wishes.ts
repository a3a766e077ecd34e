import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { EnvironmentKeys } from './environment.ts'
import { dueLines, openRotations } from './plan.ts'
import type { Situation } from './rotation.ts'
import { wasLive } from './sightings.ts'
import type { Rotation } from './state.ts'

/** What the operator wants of rotations, for all environments. */
export interface RotationRules {
  /** Days after which a key is replaced; null for on command alone. */
  every: number | null
  /** Whether each line has a key in reserve. */
  standby: boolean
}

type Keys = Pick<EnvironmentKeys, 'situation' | 'state'>

/** The rotations that go on and those that are due; null where these are the ones that are under way already. */
export function nextRotations(
  keys: Keys,
  { every, standby }: RotationRules,
  { newId, isLost }: { newId: () => string; isLost: (thumbprint: string) => boolean },
): readonly Rotation[] | null {
  const situation = keys.situation()
  const before = keys.state().rotations
  const found = before.flatMap(each => goingOn(each, keys, isLost))
  const open = openRotations(found, situation)
  const due = every === null ? [] : dueLines(situation, signersIn(open), every)
  const reserves = standby ? linesWithoutStandby(situation, open) : []
  const wished = [
    ...due.map(alg => wish({ alg, role: 'signer', because: 'schedule' }, situation, newId)),
    ...reserves.map(alg => wish({ alg, role: 'standby', because: 'schedule' }, situation, newId)),
  ]
  const isSame = open.length === before.length && open.every(each => before.includes(each))
  if (wished.length === 0 && isSame) return null
  return [...open, ...wished]
}

/** One whose key is gone before it was published makes another; one whose key has been and gone is over. */
function goingOn(
  rotation: Rotation,
  { situation, state }: Keys,
  isLost: (thumbprint: string) => boolean,
): Rotation[] {
  const { keys, watched } = situation()
  const { made } = rotation
  if (made === null || keys.some(({ thumbprint }) => thumbprint === made)) return [rotation]
  if (wasLive(watched, made) || Object.hasOwn(state().revoked, made)) return []
  return [isLost(made) ? { ...rotation, made: null, proposal: null } : rotation]
}

const signersIn = (rotations: readonly Rotation[]): Rotation[] =>
  rotations.filter(({ role }) => role === 'signer')

export const wish = (
  what: Pick<Rotation, 'alg' | 'role' | 'because'>,
  { now }: Pick<Situation, 'now'>,
  newId: () => string,
): Rotation => ({ id: newId(), ...what, asked: now, made: null, proposal: null })

/** The lines that somebody is signed for with. */
export const linesOf = ({ upstreams }: Pick<Situation, 'upstreams'>): Alg[] => [
  ...new Set(upstreams.map(({ alg }) => alg)),
]

function linesWithoutStandby(situation: Situation, rotations: readonly Rotation[]): Alg[] {
  const reserves = situation.keys.filter(
    ({ role, isHere, revokedAt }) => role === 'standby' && isHere && revokedAt === null,
  )
  return linesOf(situation).filter(
    alg =>
      !reserves.some(key => key.alg === alg) &&
      !rotations.some(each => each.alg === alg && each.role === 'standby'),
  )
}
