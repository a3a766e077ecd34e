import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CAUSES } from '../../../broker/diagnosis/causes.ts'
import type { Cause } from '../../../broker/diagnosis/diagnose.ts'
import { say } from '../../support/console.ts'
import { makeHospital } from '../../support/hospital.ts'
import { type Circumstances, FAULTS, type Fault, signer, surround, TRUTH } from './faults.ts'

const DAY = 24 * 3600

interface Outcome {
  fault: Fault
  reason: string
  causes: readonly Cause[]
}

async function suffer(fault: Fault, circumstances: Circumstances): Promise<Outcome> {
  const hospital = await (fault.make?.() ?? makeHospital(signer()))
  try {
    await fault.arrange(hospital)
    surround(hospital, circumstances)
    const { reason, causes } = await hospital.consult()
    return { fault, reason, causes }
  } finally {
    await hospital.close()
  }
}

const scripted = ({ before: [before], siblings: [siblings], isNew }: Fault): Circumstances => ({
  ...{ before, siblings, unrelated: 0, failures: 3 },
  configAge: isNew ? 600 : 30 * DAY,
})

const isNamed = ({ fault, causes }: Outcome): boolean =>
  causes.slice(0, 2).some(({ code }) => code === fault.cause)

const told = ({ fault, causes }: Outcome): string =>
  `${fault.name}: ${fault.cause}, where it said ${causes.map(each => each.code).join(', ') || 'nothing'}`

test('of each scripted fault the true cause is one of the first two', async () => {
  const outcomes: Outcome[] = []
  for (const fault of FAULTS) outcomes.push(await suffer(fault, scripted(fault)))
  const missed = outcomes.filter(each => !isNamed(each)).map(told)
  const first = outcomes.filter(({ fault, causes }) => causes[0]?.code === fault.cause).length
  say(`scripted faults: ${outcomes.length}, ${missed.length} missed; ${first} named first`)
  for (const each of missed) say(`  ${each}`)
  for (const { fault, reason } of outcomes) {
    expect(reason, fault.name).toBe(fault.reason)
    expect(TRUTH[fault.reason], fault.name).toContain(fault.cause)
  }
  expect(outcomes.length).toBeGreaterThanOrEqual(20)
  expect(missed.length).toBeLessThanOrEqual(outcomes.length / 10)
}, 120_000)
