import { expect, test } from 'vitest'
import { earlyCalls, expected, settingsFor } from './simulate.ts'
import { inputsIn, manual } from './simulation/inputs.ts'
import { figuresOf, processesFor } from './simulation/paper.ts'
import { runSteps, STEPS, startAllAtOnce } from './simulation/steps.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const LIFE = 300
/** Three processes, one in each zone. */
const INPUTS = { ...inputsIn(manual()), hospitals: 20, rate: 1_000, processRate: 1_000 }

test('a fleet has one call for a key in its time, or with redis out one of each process, and refuses nobody', async () => {
  expect(processesFor(INPUTS)).toBe(3)
  const { period, lead } = figuresOf(INPUTS, LIFE)
  const outcomes = await runSteps({ ...settingsFor(INPUTS, LIFE, SEED), kept: 2 }, period)
  expect(outcomes.map(({ step }) => step)).toEqual([...STEPS])
  for (const outcome of outcomes) {
    const { step, counts } = outcome
    expect({ step, failed: counts.failed, wrong: counts.wrong }).toEqual({
      ...{ step, failed: 0, wrong: 0 },
    })
    expect({ step, early: earlyCalls(outcome, LIFE - lead) }).toEqual({ step, early: 0 })
    expect(counts.checked).toBeGreaterThan(50)
    // Of so few, chance moves some over the edge of a step.
    const paper = expected(outcome, LIFE, INPUTS).calls
    expect(Math.abs(counts.calls.length / paper - 1), step).toBeLessThan(0.25)
  }
})

test('when all start at once with an empty store there is one call for each key', async () => {
  const { calls, failed } = await startAllAtOnce(settingsFor(INPUTS, LIFE, SEED), 30)
  expect(new Set(calls.map(({ key }) => key)).size).toBe(calls.length)
  expect([calls.length, failed]).toEqual([INPUTS.hospitals, 0])
})
