import { expect, test } from 'vitest'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import { openGuards } from '../../../broker/upstream/guards.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

function guarded() {
  const clock = movedClock()
  const { guard, breakerOf } = openGuards(clock.clock)
  let calls = 0
  const call = (outcome: ErrorCode | null, id = 'ehr'): Promise<string> =>
    guard(upstream({ id }), async () => {
      calls++
      if (outcome) throw new BrokerError(outcome)
      return 'good'
    }).catch(error => error.code)
  return { clock, call, calls: () => calls, breaker: () => breakerOf(upstream({ id: 'ehr' })) }
}

test('after five failures in a row an upstream is left alone, and no other', async () => {
  const { call, calls } = guarded()
  for (let times = 0; times < 5; times++) await call('upstream_unavailable')
  expect(await call(null)).toBe('upstream_circuit_open')
  expect(calls()).toBe(5)
  expect(await call(null, 'other')).toBe('good')
})

test('a success between them begins the count anew', async () => {
  const { call } = guarded()
  for (let times = 0; times < 4; times++) await call('upstream_timeout')
  await call(null)
  for (let times = 0; times < 4; times++) await call('upstream_timeout')
  expect(await call(null)).toBe('good')
})

test.each<ErrorCode>([
  'upstream_invalid_client',
  'upstream_unauthorized_client',
  'upstream_invalid_request',
  'upstream_rate_limited',
  'signing_failed',
])('%s says nothing against the EHR’s health', async code => {
  const { call } = guarded()
  for (let times = 0; times < 10; times++) await call(code)
  expect(await call(null)).toBe('good')
})

test('the pause ends by our own clock, with one call to see', async () => {
  const { clock, call, calls } = guarded()
  for (let times = 0; times < 5; times++) await call('upstream_not_json')
  clock.setWallBy(-7200)
  clock.advance(61)
  expect(await call('upstream_not_json')).toBe('upstream_not_json')
  expect(await call(null)).toBe('upstream_circuit_open')
  clock.advance(61)
  expect(await call(null)).toBe('good')
  expect(calls()).toBe(7)
})

test('what failed while another call was under way counts, though that one ends well', async () => {
  const { guard } = openGuards(movedClock().clock)
  const [ehr, good, bad] = [upstream({}), Promise.withResolvers(), Promise.withResolvers()]
  const outcomeOf = (work: () => Promise<unknown>): Promise<unknown> =>
    guard(ehr, work).catch(error => error.code)
  const fails = Array.from({ length: 3 }, () => outcomeOf(() => bad.promise))
  const succeeds = outcomeOf(() => good.promise)
  good.resolve('good')
  await succeeds
  bad.reject(new BrokerError('upstream_timeout'))
  await Promise.all(fails)
  const again = () =>
    outcomeOf(async () => {
      throw new BrokerError('upstream_timeout')
    })
  expect([await again(), await again(), await again()]).toEqual([
    'upstream_timeout',
    'upstream_timeout',
    'upstream_circuit_open',
  ])
})

test('whether an upstream is left alone can be seen', async () => {
  const { clock, call, breaker } = guarded()
  expect(breaker()).toBe('closed')
  for (let times = 0; times < 5; times++) await call('upstream_timeout')
  expect(breaker()).toBe('open')
  clock.advance(61)
  const under = call(null)
  expect(breaker()).toBe('half_open')
  await under
  expect(breaker()).toBe('closed')
})

test('calls at once are bounded, and more wait; too many are refused', async () => {
  const { guard } = openGuards(movedClock().clock)
  const gate = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  const one = () =>
    guard(upstream({ concurrency: 2 }), async () => {
      most = Math.max(most, ++running)
      await gate.promise
      running--
    }).catch(error => error.code)
  const all = Array.from({ length: 103 }, one)
  expect(await all[102]).toBe('upstream_busy')
  gate.resolve()
  await Promise.all(all)
  expect(most).toBe(2)
})
