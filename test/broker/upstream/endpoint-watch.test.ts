import { expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import type { Comparison } from '../../../broker/upstream/discovery.ts'
import { watchEndpoints } from '../../../broker/upstream/endpoint-watch.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

const HOUR = 3600
const MOVED: Comparison = { state: 'changed', now: 'https://elsewhere.example.com/token' }

function watching(count = 1) {
  const clock = movedClock()
  const state = { asked: 0, told: [] as string[], answer: { state: 'same' } as Comparison, most: 0 }
  const upstreams = Array.from({ length: count }, (_, at) => upstream({ id: `u${at}` }))
  let drawn = 0
  const { tick } = watchEndpoints({
    ...{ clock: clock.clock, chance: () => drawn++ / count, upstreams: () => upstreams },
    compare: async () => {
      state.asked++
      return state.answer
    },
    onChanged: ({ id }, now) => state.told.push(`${id} ${now}`),
  })
  const run = async (hours: number, step = 60): Promise<void> => {
    for (let second = 0; second < hours * HOUR; second += step) {
      const before = state.asked
      await tick()
      state.most = Math.max(state.most, state.asked - before)
      clock.advance(step)
    }
  }
  return { state, run }
}

test('every upstream is asked once a day, and never many at once', async () => {
  const { state, run } = watching(200)
  await run(24)
  expect(state.asked).toBe(200)
  await run(24)
  expect(state.asked).toBe(400)
  expect(state.most).toBeLessThanOrEqual(4)
})

test('an endpoint that changed is told once, and again when it changes again', async () => {
  const { state, run } = watching()
  state.answer = MOVED
  await run(72)
  expect(state.told).toEqual(['u0 https://elsewhere.example.com/token'])
  state.answer = { state: 'same' }
  await run(24)
  state.answer = MOVED
  await run(24)
  expect(state.told).toHaveLength(2)
})

test('an EHR that cannot be asked has not changed', async () => {
  const { state, run } = watching()
  state.answer = { state: 'unknown', error: new BrokerError('upstream_timeout') }
  await run(48)
  expect([state.told, state.asked > 0]).toEqual([[], true])
})
