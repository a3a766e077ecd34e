import { expect, test } from 'vitest'
import type { Facts, TokenOutcome } from '../../../broker/diagnosis/facts.ts'
import { openRefusals } from '../../../broker/diagnosis/refusals.ts'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import type { UpstreamToken } from '../../../broker/upstream/exchange.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import { movedClock } from '../../support/clock.ts'
import { factsOf } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const refusal = (code: ErrorCode = 'upstream_unauthorized_client') => new BrokerError(code)
const token: UpstreamToken = {
  ...{ accessToken: 'token', life: 300, scope: 's', kid: 'kid-7' },
  sentAt: { wall: 0, monotonic: 0 },
}

/** Refusals whose looks end when a test lets them. */
function opened() {
  const moved = movedClock()
  const runs: { id: string; end: (error?: unknown) => void }[] = []
  const told: string[] = []
  const gather = (each: Upstream, outcome: TokenOutcome) =>
    new Promise<Facts>((resolve, reject) => {
      const end = (error?: unknown): void =>
        error === undefined ? resolve(factsOf({ upstream: each, token: outcome })) : reject(error)
      runs.push({ id: each.id, end })
    })
  const refusals = openRefusals({
    ...{ clock: moved.clock, gather },
    onDiagnosed: ({ id }, { causes }) => told.push(`${id} ${causes[0]?.code}`),
  })
  return { ...moved, refusals, runs, told }
}

const settled = () => new Promise(done => setImmediate(done))

test('one look around serves all who ask meanwhile, and its result is kept and told once', async () => {
  const { refusals, runs, told, now } = opened()
  const asked = [1, 2].map(() => refusals.diagnoseRefusal(upstream(), refusal()))
  expect(runs).toHaveLength(1)
  runs[0]?.end()
  const [one, two] = await Promise.all(asked)
  expect(one).toBe(two)
  expect(told).toEqual(['ehr user_not_mapped'])
  expect(refusals.last.get('ehr')).toEqual({
    ...{ at: now(), code: 'upstream_unauthorized_client', causes: one },
  })
})

test('an upstream is looked at once in a minute; in between the last causes are given', async () => {
  const { refusals, runs, advance } = opened()
  const first = refusals.diagnoseRefusal(upstream(), refusal())
  runs[0]?.end()
  await first
  advance(59)
  expect(await refusals.diagnoseRefusal(upstream(), refusal())).toBe(await first)
  expect(runs).toHaveLength(1)
  advance(1)
  void refusals.diagnoseRefusal(upstream(), refusal())
  expect(runs).toHaveLength(2)
})

test('no more than four look around at a time; the fifth is not held back by its own minute', async () => {
  const { refusals, runs } = opened()
  const ask = (id: string) => refusals.diagnoseRefusal(upstream({ id }), refusal())
  const four = ['a', 'b', 'c', 'd'].map(ask)
  expect(await ask('e')).toEqual([])
  expect(runs).toHaveLength(4)
  for (const each of runs) each.end()
  await Promise.all(four)
  void ask('e')
  expect(runs.map(each => each.id)).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('a look that breaks down troubles nobody', async () => {
  const { refusals, runs, told } = opened()
  const asked = refusals.diagnoseRefusal(upstream(), refusal())
  runs[0]?.end(new Error('broken'))
  expect(await asked).toEqual([])
  expect([told, refusals.last.size]).toEqual([[], 0])
})

test('no more than 2000 diagnoses are kept, the newest', async () => {
  const { refusals, runs } = opened()
  for (let at = 0; at <= 2000; at++) {
    const asked = refusals.diagnoseRefusal(upstream({ id: `${at}` }), refusal())
    runs[at]?.end()
    await asked
  }
  expect(refusals.last.size).toBe(2000)
  expect([refusals.last.has('0'), refusals.last.has('2000')]).toEqual([false, true])
})

test.each<[ErrorCode, boolean]>([
  ['upstream_invalid_client', true],
  ['upstream_unauthorized_client', true],
  ['upstream_invalid_scope', true],
  ['upstream_tls_failed', true],
  ['upstream_unreachable', true],
  ['upstream_unavailable', false],
  ['upstream_rate_limited', false],
  ['signing_failed', false],
])('%s is diagnosed behind the caller’s back: %s', async (code, isDiagnosed) => {
  const { refusals, runs } = opened()
  const exchange = refusals.watch(async () => {
    throw refusal(code)
  })
  await expect(exchange(upstream(), [])).rejects.toMatchObject({ code })
  expect(runs).toHaveLength(isDiagnosed ? 1 : 0)
})

test('a diagnosis is dropped when the upstream works again', async () => {
  const { refusals, runs, advance } = opened()
  let works = false
  const exchange = refusals.watch(async () => {
    if (works) return token
    throw refusal()
  })
  await expect(exchange(upstream(), [])).rejects.toMatchObject({})
  runs[0]?.end()
  await settled()
  expect(refusals.last.has('ehr')).toBe(true)
  advance(5)
  works = true
  expect(await exchange(upstream(), [])).toBe(token)
  expect(refusals.last.has('ehr')).toBe(false)
})
