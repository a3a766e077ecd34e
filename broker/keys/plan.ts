import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { type KeyFacts, NO_RECORD } from './key-facts.ts'
import { type HoldReason, holdsOn, type Ledger } from './retirement.ts'
import { type Choice, isGuess, isNewer, type Situation } from './rotation.ts'
import { isLive, type Watched, wasLive } from './sightings.ts'
import type { Rotation } from './state.ts'

/** What is to be done next for the keys of an environment. Each may be done again without harm. */
export type Step =
  /** The private half is to be made. */
  | { do: 'make'; rotation: Rotation }
  /** The public half is to be proposed for publication. */
  | { do: 'propose'; rotation: Rotation; key: KeyFacts }
  /** The upstream is to be asked for one token with the newer key. */
  | { do: 'ask'; upstream: string; key: KeyFacts }
  /** The removal is to be proposed; `emergency` for a key that was revoked. */
  | { do: 'withdraw'; key: KeyFacts; emergency: boolean }
  /** The removal that was proposed is to be taken back, since the key is needed again. */
  | { do: 'keep'; key: KeyFacts }
  /** The private half is to be put away. */
  | { do: 'archive'; key: KeyFacts }

export interface Plan {
  situation: Situation
  choices: ReadonlyMap<string, Choice | null>
  ledger: Ledger
  rotations: readonly Rotation[]
  /** Thumbprints of keys that were released for their removal. */
  withdrawing: readonly string[]
  /** Whether every replica can sign with the key. */
  isEverywhere: (thumbprint: string) => boolean
}

/** In the order in which they should be done. */
export function planSteps(plan: Plan): Step[] {
  const { situation, choices, rotations, isEverywhere } = plan
  const { keys, upstreams, records, watched } = situation
  const steps: Step[] = []
  for (const rotation of rotations) {
    if (rotation.made === null) {
      steps.push({ do: 'make', rotation })
      continue
    }
    const key = keys.find(({ thumbprint }) => thumbprint === rotation.made)
    if (!key || key.revokedAt !== null || wasLive(watched, key.thumbprint)) continue
    if (isEverywhere(key.thumbprint)) steps.push({ do: 'propose', rotation, key })
  }
  for (const { id, pinned } of upstreams) {
    const choice = choices.get(id)
    if (!choice || pinned !== null || choice.because !== 'newest') continue
    const { accepted } = records.get(id) ?? NO_RECORD
    const hasOthers = Object.keys(accepted).some(name => name !== choice.key.thumbprint)
    if (hasOthers && accepted[choice.key.thumbprint] === undefined)
      steps.push({ do: 'ask', upstream: id, key: choice.key })
  }
  const live = keys.filter(key => isLive(watched, key.thumbprint))
  const leaving = live.filter(key => mayGo(key, live, plan))
  for (const key of leaving.filter(({ revokedAt }) => revokedAt === null))
    steps.push({ do: 'withdraw', key, emergency: false })
  for (const key of keys)
    if (key.isHere && hasGone(key, watched) && isReplaced(key, plan))
      steps.push({ do: 'archive', key })
  const overtaken = live.filter(
    key =>
      !leaving.includes(key) && plan.withdrawing.includes(key.thumbprint) && isNeeded(key, plan),
  )
  return [
    ...overtaken.map((key): Step => ({ do: 'keep', key })),
    ...leaving
      .filter(({ revokedAt }) => revokedAt !== null)
      .map((key): Step => ({ do: 'withdraw', key, emergency: true })),
    ...steps,
  ]
}

/** The last key is never withdrawn, though it be revoked. */
function mayGo(key: KeyFacts, live: readonly KeyFacts[], plan: Plan): boolean {
  if (key.revokedAt !== null) return live.some(each => each.revokedAt === null)
  if (key.role === 'standby') return false
  return holdsOn(key, plan.situation, plan.choices, plan.ledger).length === 0
}

const NEEDED: ReadonlySet<HoldReason> = new Set(['signing', 'fallback', 'pinned', 'no_successor'])

/** More than that it has to rest: somebody is signed for with it. */
const isNeeded = (key: KeyFacts, { situation, choices, ledger }: Plan): boolean =>
  key.revokedAt === null &&
  holdsOn(key, situation, choices, ledger).some(({ why }) => NEEDED.has(why))

const hasGone = ({ thumbprint }: KeyFacts, watched: Watched): boolean =>
  wasLive(watched, thumbprint) && !isLive(watched, thumbprint)

/** It signs for nobody, and something newer of its line does that is no guess, or it was revoked. */
function isReplaced(key: KeyFacts, { choices }: Plan): boolean {
  const signing = [...choices.values()].filter(choice => choice !== null)
  if (signing.some(each => each.key.thumbprint === key.thumbprint)) return false
  return (
    key.revokedAt !== null ||
    signing.some(
      choice => !isGuess(choice) && choice.key.alg === key.alg && isNewer(choice.key, key),
    )
  )
}

/** A rotation ends when its key was live and no older key of its line is. */
export function openRotations(
  rotations: readonly Rotation[],
  situation: Situation,
): readonly Rotation[] {
  const { keys, watched } = situation
  return rotations.filter(({ made, role }) => {
    const key = keys.find(({ thumbprint }) => thumbprint === made)
    if (!key) return true
    if (key.revokedAt !== null) return false
    if (!wasLive(watched, key.thumbprint)) return true
    if (role === 'standby') return false
    // One that was withdrawn itself, for a newer one, has come to its end too.
    return keys.some(
      each =>
        each.alg === key.alg &&
        each.role === 'signer' &&
        isNewer(key, each) &&
        isLive(watched, each.thumbprint),
    )
  })
}

const DAY = 24 * 60 * 60 * 1000

/** The lines whose newest signer is so many days old, while nothing is under way there. */
export function dueLines(
  { keys, now }: Pick<Situation, 'keys' | 'now'>,
  rotations: readonly Rotation[],
  every: number,
): Alg[] {
  const lines = Map.groupBy(
    keys.filter(({ role, revokedAt, isHere }) => role === 'signer' && revokedAt === null && isHere),
    key => key.alg,
  )
  return [...lines]
    .filter(([alg, line]) => {
      const newest = Math.max(...line.map(({ created }) => created))
      return now - newest >= every * DAY && !rotations.some(each => each.alg === alg)
    })
    .map(([alg]) => alg)
}
