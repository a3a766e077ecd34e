import { describe, expect, test } from 'vitest'
import { BrokerError, type ErrorCode, type Facts } from '../../../broker/errors.ts'
import { persist } from '../../../broker/upstream/attempts.ts'
import { openGuards } from '../../../broker/upstream/guards.ts'
import { openHistory } from '../../../broker/upstream/history.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

/** An EHR that answers with these, one after the other, then with a token; each call takes so many seconds. */
function ehr(
  outcomes: (ErrorCode | [ErrorCode, Facts])[],
  { takes = 0, chance = 0, kidFor = (): string | null => null } = {},
) {
  const clock = movedClock()
  const history = openHistory()
  const waits: number[] = []
  const deadlines: (number | undefined)[] = []
  const exchange = persist({
    ...{ clock: clock.clock, chance: () => chance, history, guard: openGuards(clock.clock).guard },
    kidFor,
    wait: async milliseconds => {
      waits.push(milliseconds)
      clock.advance(milliseconds / 1000)
    },
    exchange: async (_, __, deadline) => {
      deadlines.push(deadline)
      clock.advance(takes)
      const next = outcomes.shift()
      if (next)
        throw Array.isArray(next) ? new BrokerError(next[0], next[1]) : new BrokerError(next)
      return { accessToken: 't', life: 300, scope: 's', kid: 'k', sentAt: clock.clock() }
    },
  })
  const ask = (deadline = 15) =>
    exchange(upstream({ deadline }), ['s']).then(
      () => 'good',
      error => error.code,
    )
  return { ask, waits, deadlines, history, clock }
}

test('an outage is tried again twice, with a pause that grows and that chance lengthens', async () => {
  const { ask, waits, deadlines } = ehr(['upstream_timeout', 'upstream_unavailable'], {
    chance: 0.5,
  })
  expect(await ask()).toBe('good')
  expect(waits).toEqual([375, 750])
  expect(deadlines).toHaveLength(3)
})

test('all attempts together have one deadline', async () => {
  const { ask, deadlines } = ehr(Array(3).fill('upstream_timeout'), { takes: 6 })
  expect(await ask()).toBe('upstream_timeout')
  expect(deadlines.map(each => Math.round(each ?? 0))).toEqual([15, 9, 2])
})

test('with less than a second left there is no other attempt', async () => {
  const { ask, deadlines } = ehr(['upstream_timeout'], { takes: 14.5 })
  expect(await ask()).toBe('upstream_timeout')
  expect(deadlines).toHaveLength(1)
})

describe('a no', () => {
  test.each<[ErrorCode, boolean, number]>([
    ['upstream_invalid_client', false, 1],
    ['upstream_invalid_client', true, 2],
    ['upstream_refused', true, 2],
    ['upstream_unauthorized_client', true, 1],
    ['upstream_invalid_scope', true, 1],
    ['upstream_not_json', true, 1],
    ['upstream_tls_failed', true, 1],
    ['upstream_invalid_request', true, 1],
  ])('%s, worked before: %s, is %d calls', async (code, worked, calls) => {
    const { ask, deadlines, history } = ehr(Array(5).fill(code))
    if (worked) history.worked('ehr', 1, 'k')
    expect(await ask()).toBe(code)
    expect(deadlines).toHaveLength(calls)
  })
})

test('while an EHR asks for a pause it is not called, and the caller is told how long', async () => {
  const { ask, deadlines, clock } = ehr([['upstream_rate_limited', { retry_after: 40 }]])
  expect(await ask()).toBe('upstream_rate_limited')
  clock.advance(39)
  expect(await ask()).toBe('upstream_rate_limited')
  clock.advance(1)
  expect(await ask()).toBe('good')
  expect(deadlines).toHaveLength(2)
})

test('the history has each attempt, and a call that was not made is none', async () => {
  const { ask, history } = ehr(Array(5).fill('upstream_unreachable'))
  await ask()
  expect(history.of('ehr')).toMatchObject({ failures: 3, lastSuccess: null })
  await ask()
  await ask()
  expect(history.of('ehr').failures).toBe(5)
})

describe('an EHR that refuses a new key twice is asked a third time where the last one signs again', () => {
  const no = (kid: string): [ErrorCode, Facts] => ['upstream_invalid_client', { kid, status: 400 }]

  test('and its token is given', async () => {
    const { ask, history, waits } = ehr([no('new'), no('new')], { kidFor: () => 'old' })
    history.worked('ehr', 1, 'old')
    expect(await ask()).toBe('good')
    expect(waits).toHaveLength(2)
  })

  test('and never a fourth time', async () => {
    let at = 0
    const kidFor = () => `kid-${at++}`
    const { ask, history, waits } = ehr([no('a'), no('b'), no('c'), no('d')], { kidFor })
    history.worked('ehr', 1, 'old')
    expect(await ask()).toBe('upstream_invalid_client')
    expect(waits).toHaveLength(2)
  })

  test('but not where the same key would sign again', async () => {
    const { ask, history, waits } = ehr([no('new'), no('new')], { kidFor: () => 'new' })
    history.worked('ehr', 1, 'old')
    expect(await ask()).toBe('upstream_invalid_client')
    expect(waits).toHaveLength(1)
  })
})
