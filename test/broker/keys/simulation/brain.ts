import type { KeyRecord } from '../../../../broker/keys/key-facts.ts'
import { type Plan, planSteps, type Step } from '../../../../broker/keys/plan.ts'
import { type Attempt, afterAttempt } from '../../../../broker/keys/records.ts'
import { type Choice, chooseSigners, type Situation } from '../../../../broker/keys/rotation.ts'
import { afterRound, type Round, type Watched } from '../../../../broker/keys/sightings.ts'

/** All that the broker decides by. A mutant is one with a part that is wrong. */
export interface Brain {
  see: (watched: Watched, round: Round) => Watched
  choose: (situation: Situation) => Map<string, Choice | null>
  learn: (record: KeyRecord, attempt: Attempt) => KeyRecord
  plan: (plan: Plan) => Step[]
  /** From when on what was signed is known, where the state was lost now. */
  since: (now: number) => number
}

export const BRAIN: Brain = {
  see: afterRound,
  choose: chooseSigners,
  learn: afterAttempt,
  plan: planSteps,
  since: now => now,
}
