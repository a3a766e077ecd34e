import { CAUSES, type CauseCode, type Who } from './causes.ts'
import type { Facts } from './facts.ts'
import { SEEN } from './outcome.ts'

/** A likely cause, with what speaks for it. */
export interface Cause {
  code: CauseCode
  /** `seen`: the fault itself was seen. `likely` and `possible` would explain the refusal. */
  certainty: 'seen' | 'likely' | 'possible'
  because: string
  means: string
  fix: string
  who: Who
  source: string
}

const LIKELY = 50
/** What explains less is not worth a telephone call. */
const LEAST = 30
/** How many are named: fewer where the fault itself was seen. */
const MOST_CAUSES = { seen: 3, guessed: 5 }

/** The likely causes in order, the likeliest first; none for an upstream of which nothing is wrong. Pure. */
export function diagnose(facts: Facts): Cause[] {
  const causes = (Object.keys(CAUSES) as CauseCode[])
    .flatMap(code => {
      const { fits, ...told } = CAUSES[code]
      const fit = fits(facts)
      return fit !== null && fit.weight >= LEAST ? [{ code, ...told, ...fit }] : []
    })
    .sort((one, other) => other.weight - one.weight)
    .map(({ weight, ...cause }) => ({ ...cause, certainty: certaintyOf(weight) }))
  return causes.slice(0, causes[0]?.certainty === 'seen' ? MOST_CAUSES.seen : MOST_CAUSES.guessed)
}

const certaintyOf = (weight: number): Cause['certainty'] =>
  weight >= SEEN ? 'seen' : weight >= LIKELY ? 'likely' : 'possible'
