import { type KeyRecord, NO_RECORD } from '../../../../broker/keys/key-facts.ts'
import { type Plan, planSteps, type Step } from '../../../../broker/keys/plan.ts'
import { type Attempt, afterAttempt, lastAccepted } from '../../../../broker/keys/records.ts'
import { type Choice, chooseSigners, type Situation } from '../../../../broker/keys/rotation.ts'
import {
  afterRound,
  NOTHING_SEEN,
  type Round,
  type Watched,
} from '../../../../broker/keys/sightings.ts'

/** All that the broker decides by. A mutant is one with a part that is wrong. */
export interface Brain {
  see: (watched: Watched, round: Round) => Watched
  choose: (situation: Situation) => Map<string, Choice | null>
  learn: (record: KeyRecord, attempt: Attempt) => KeyRecord
  plan: (plan: Plan) => Step[]
  /** What a process has when it starts again. */
  restart: (kept: Kept, now: number, losesState: boolean) => Kept
}

export interface Kept {
  watched: Watched
  records: ReadonlyMap<string, KeyRecord>
  lastSigned: Readonly<Record<string, number>>
  since: number
}

/** What the process that ended had in use it may have signed with to the last moment. */
function restart({ records, watched, lastSigned, since }: Kept, now: number, loses: boolean): Kept {
  if (!loses) {
    const used = [...records.values()].flatMap(({ inUse }) => (inUse === null ? [] : [inUse]))
    const last = Object.fromEntries(used.map(thumbprint => [thumbprint, now]))
    return { watched, records, since, lastSigned: { ...lastSigned, ...last } }
  }
  const left = new Map<string, KeyRecord>()
  for (const [id, record] of records) {
    // The audit tells what each upstream accepted last.
    const known = lastAccepted(record, () => true)
    if (known === null) continue
    const accepted = { [known]: record.accepted[known] ?? now }
    left.set(id, { ...NO_RECORD, inUse: known, accepted })
  }
  return { watched: NOTHING_SEEN, records: left, lastSigned: {}, since: now }
}

export const BRAIN: Brain = {
  see: afterRound,
  choose: chooseSigners,
  learn: afterAttempt,
  plan: planSteps,
  restart,
}
