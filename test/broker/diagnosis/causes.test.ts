import process from 'node:process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CAUSES } from '../../../broker/diagnosis/causes.ts'
import type { Cause } from '../../../broker/diagnosis/diagnose.ts'
import { failed, NO_PAST, worked } from '../../../broker/diagnosis/past.ts'
import { say } from '../../support/console.ts'
import { type Hospital, makeHospital } from '../../support/hospital.ts'
import { upstream } from '../../support/upstream.ts'
import { type Circumstances, FAULTS, type Fault, signer, surround, TRUTH } from './faults.ts'

const HOUR = 3600
const DAY = 24 * HOUR

interface Outcome {
  fault: Fault
  circumstances: Circumstances
  reason: string
  causes: readonly Cause[]
}

async function suffer(fault: Fault, circumstances: Circumstances): Promise<Outcome> {
  const hospital = await (fault.make?.() ?? makeHospital(signer()))
  try {
    await fault.arrange(hospital)
    surround(hospital, circumstances)
    const { reason, causes } = await hospital.consult()
    return { fault, circumstances, reason, causes }
  } finally {
    await hospital.close()
  }
}

const isNamed = ({ fault, causes }: Outcome): boolean =>
  causes.slice(0, 2).some(({ code }) => code === fault.cause)

/** Prints the misses, and gives how many there are. */
function missed(title: string, outcomes: readonly Outcome[]): number {
  const misses = outcomes.filter(each => !isNamed(each))
  const first = outcomes.filter(({ fault, causes }) => causes[0]?.code === fault.cause).length
  say(`${title}: ${outcomes.length}; ${first} named first, ${misses.length} missed`)
  for (const { fault, circumstances, causes } of misses) {
    const said = causes.map(each => each.code).join(', ')
    say(`  ${fault.name}: ${fault.cause} is not in ${said} (${JSON.stringify(circumstances)})`)
  }
  return misses.length
}

/** That Epic's own log has the reason that was arranged, and that the cause is the truth about it. */
function holdAgainstTruth(outcomes: readonly Outcome[]): void {
  for (const { fault, reason } of outcomes) {
    expect(reason, fault.name).toBe(fault.reason)
    expect(TRUTH[fault.reason], fault.name).toContain(fault.cause)
  }
}

const scripted = ({ before: [before], siblings: [siblings], isNew }: Fault): Circumstances => ({
  ...{ before, siblings, unrelated: 0, failures: 3, skew: 0 },
  configAge: isNew ? 600 : 30 * DAY,
})

test('of scripted faults the true cause is one of the first two, in 18 of 20 at least', {
  timeout: 120_000,
}, async () => {
  const outcomes: Outcome[] = []
  for (const fault of FAULTS) outcomes.push(await suffer(fault, scripted(fault)))
  holdAgainstTruth(outcomes)
  expect(outcomes.length).toBeGreaterThanOrEqual(20)
  expect(missed('scripted faults', outcomes)).toBeLessThanOrEqual(outcomes.length / 10)
})

/** What is true of a fault, whatever else is so: a record is not synced only while it is new. */
const circumstancesOf = (fault: Fault): fc.Arbitrary<Circumstances> =>
  fc.record({
    before: fc.constantFrom(...fault.before),
    siblings: fc.constantFrom(...fault.siblings),
    configAge: fc.constantFrom(
      ...(fault.isNew ? [300, 5 * HOUR] : [300, 5 * HOUR, 20 * HOUR, 3 * DAY, 60 * DAY]),
    ),
    failures: fc.constantFrom(0, 1, 20),
    unrelated: fc.constantFrom(0, 1, 5),
    skew: fault.cause === 'clock_differs' ? fc.constant(0) : fc.integer({ min: -40, max: 200 }),
  })

test('of faults drawn with harmless circumstances, in 18 of 20 at least', {
  timeout: 120_000,
}, async () => {
  const drawn = fc.shuffledSubarray([...FAULTS], { minLength: 20, maxLength: 20 })
  const [faults = []] = fc.sample(drawn, 1)
  const outcomes: Outcome[] = []
  for (const [at, fault] of faults.entries()) {
    // Each its own place in the stream that the seed gives.
    const circumstances = fc.sample(circumstancesOf(fault), at + 1).at(-1)
    if (circumstances) outcomes.push(await suffer(fault, circumstances))
  }
  holdAgainstTruth(outcomes)
  expect(outcomes).toHaveLength(20)
  expect(missed(`drawn by seed ${process.env['LOCKSTEP_SEED']}`, outcomes)).toBeLessThanOrEqual(2)
})

describe('a healthy upstream is given no cause', () => {
  test.each<[string, (hospital: Hospital) => unknown]>([
    ['as it is', () => {}],
    ['set up a minute ago, and never asked before', h => Object.assign(h, { configAge: 60 })],
    [
      'with a long record of failures behind it',
      ({ pasts, clock }) => pasts.set('here', failed(failed(NO_PAST, clock.now()), clock.now())),
    ],
    [
      'that accepted another key before',
      ({ pasts, clock }) => pasts.set('here', worked(NO_PAST, clock.now() - 60_000, 'older')),
    ],
    ['while our clock is 55 s fast', ({ clock }) => clock.advance(55)],
    ['while our clock is 230 s slow', ({ epicClock }) => epicClock.advance(230)],
    [
      'where the config does not say where the set is',
      h => Object.assign(h, { setUrls: new Map() }),
    ],
    [
      'that keeps the set while our site is down',
      async ({ site, register, epicClock, clock }) => {
        const kept = site.get('/set.json')
        site.set('/set.json', { ...kept, headers: { 'cache-control': 'max-age=86400' } })
        await register()
        for (const each of [epicClock, clock]) each.advance(HOUR)
        site.set('/set.json', { status: 503 })
      },
    ],
    [
      'behind a gateway whose URL the hospital has allowed',
      async hospital => {
        await hospital.putBetween({})
        hospital.epic.audiences.push(hospital.upstream.tokenEndpoint)
      },
    ],
    [
      'with an exception for aud that the hospital knows',
      hospital => {
        const assertionAudience = { value: 'https://inside.example.com/token', reason: 'a proxy' }
        hospital.upstream = { ...hospital.upstream, assertionAudience }
        hospital.epic.audiences.push(assertionAudience.value)
      },
    ],
    [
      'while every other upstream fails',
      ({ others, pasts, clock }) => {
        others.push(upstream({ id: 'b', clientId: 'app' }), upstream({ id: 'c', clientId: 'x' }))
        for (const id of ['b', 'c']) pasts.set(id, failed(NO_PAST, clock.now()))
      },
    ],
    [
      'where the client ID is used in the other environment too',
      ({ others }) => others.push(upstream({ clientId: 'app', environment: 'production' })),
    ],
  ])('%s', async (_, arrange) => {
    const hospital = await makeHospital(signer())
    await arrange(hospital)
    const { reason, causes } = await hospital.consult()
    await hospital.close()
    expect(reason).toBe('granted')
    expect(causes).toEqual([])
  })

  test('and none either when nobody asks it for a token', async () => {
    const hospital = await makeHospital(signer())
    const { reason, causes } = await hospital.consult(false)
    await hospital.close()
    expect([reason, causes]).toEqual(['nothing_arrived', []])
  })
})

test('every cause is told in short sentences, and who must act', () => {
  for (const [code, { means, fix, source }] of Object.entries(CAUSES)) {
    for (const text of [means, fix]) {
      expect(text, code).toMatch(/^[A-Z].*[.?]$/)
      expect(text.length, code).toBeLessThanOrEqual(100)
    }
    expect(source, code).not.toBe('')
  }
})
