import { describe, expect, test } from 'vitest'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import { memoryCache } from '../../../broker/tokens/cache.ts'
import { type FetchPorts, fetchToken, refreshBehind } from '../../../broker/tokens/fetch.ts'
import { direct, type Share } from '../../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../../broker/tokens/single-flight.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

const WANTED = { upstream: upstream(), scopes: ['s'] }

function ports() {
  const clock = movedClock()
  const state = {
    failure: null as ErrorCode | null,
    calls: 0,
    hasWorked: false,
    told: 0,
    life: 300,
  }
  const made: FetchPorts = {
    ...{ clock: clock.clock, chance: () => 0, flights: singleFlight() },
    cache: memoryCache(clock.clock),
    hasWorked: () => state.hasWorked,
    onRefreshFailed: () => void state.told++,
    share: direct,
    exchange: async () => {
      state.calls++
      if (state.failure) throw new BrokerError(state.failure)
      const accessToken = `token-${state.calls}`
      return { accessToken, life: state.life, scope: 's', kid: 'k', sentAt: clock.clock() }
    },
  }
  const fetch = () => fetchToken(made, 'key', WANTED).catch(error => error.code)
  return { clock, state, made, fetch }
}

/** Seconds for which the refusal is remembered. */
function remembered({ clock, made }: ReturnType<typeof ports>): number {
  for (let seconds = 0; seconds < 2000; seconds++) {
    if (made.cache.refusal('key') === undefined) return seconds
    clock.advance(1)
  }
  return Number.POSITIVE_INFINITY
}

test.each<[ErrorCode, boolean, number]>([
  ['upstream_invalid_client', false, 60],
  ['upstream_invalid_client', true, 10],
  ['upstream_invalid_request', false, 60],
  ['upstream_not_json', false, 10],
  ['upstream_unavailable', false, 0],
  ['upstream_circuit_open', false, 0],
])('%s, worked before: %s, is remembered for %d s', async (code, hasWorked, seconds) => {
  const all = ports()
  Object.assign(all.state, { failure: code, hasWorked })
  expect(await all.fetch()).toBe(code)
  expect(remembered(all)).toBe(seconds)
})

test('a success ends the doubling', async () => {
  const all = ports()
  const lengths: number[] = []
  for (const failure of ['upstream_invalid_client', 'upstream_invalid_client', null] as const) {
    all.state.failure = failure
    await all.fetch()
    lengths.push(remembered(all))
  }
  all.state.failure = 'upstream_invalid_client'
  await all.fetch()
  expect([...lengths, remembered(all)]).toEqual([60, 120, 0, 60])
})

test('behind the callers’ backs a failing EHR is asked less and less often, and told each time', async () => {
  const all = ports()
  all.state.life = 3600
  await all.fetch()
  all.state.failure = 'upstream_unavailable'
  all.clock.advance(3000)
  const entry = all.made.cache.entry('key')
  if (!entry) throw new Error('it is held')
  const moments: number[] = []
  for (let second = 0; second < 500; second++) {
    const { calls } = all.state
    await refreshBehind(all.made, 'key', entry)
    if (all.state.calls > calls) moments.push(second)
    all.clock.advance(1)
  }
  expect(moments.slice(0, 4)).toEqual([0, 10, 30, 70])
  expect(all.state.told).toBe(moments.length)
})

describe('another broker’s token', () => {
  /** Whether one that came so many seconds ago will do. */
  async function willDo(
    all: ReturnType<typeof ports>,
    { accessToken = 'another', life = 300, ago = 0 },
    least?: number,
  ): Promise<boolean> {
    const { wall, monotonic } = all.clock.clock()
    const sentAt = { wall: wall - ago * 1000, monotonic: monotonic - ago * 1000 }
    const answer = { isGood: false }
    const share: Share = async ask => {
      answer.isGood = ask.isGood({ accessToken, life, scope: 's', kid: 'k', sentAt })
      throw new BrokerError('upstream_unavailable')
    }
    await fetchToken({ ...all.made, share }, 'key', WANTED, least).catch(() => {})
    return answer.isGood
  }

  test.each<[string, object, number | undefined, boolean]>([
    ['with the floor left will do', { ago: 270 }, undefined, true],
    ['with less will not', { ago: 271 }, undefined, false],
    ['with what a caller asks for will do', { ago: 100 }, 200_000, true],
    ['with less than that will not', { ago: 101 }, 200_000, false],
    ['with less will do where the EHR gives none that long', { ago: 101 }, 301_000, true],
  ])('%s, where none is held', async (_, token, least, expected) => {
    expect(await willDo(ports(), token, least)).toBe(expected)
  })

  test.each<[string, object, boolean]>([
    ['that lives longer than the one that is held', { ago: 99 }, true],
    ['that lives as long', { ago: 100 }, false],
    ['that is the same', { accessToken: 'token-1', ago: 100 }, false],
  ])('%s: %j, %s', async (_, token, expected) => {
    const all = ports()
    await all.fetch()
    all.clock.advance(100)
    expect(await willDo(all, token)).toBe(expected)
  })

  test.each<[string, object, boolean]>([
    ['a later one, however short its life', { life: 60, ago: 0 }, true],
    ['the same one', { accessToken: 'token-1', ago: 0 }, false],
    ['an earlier one, however long its life', { life: 3600, ago: 101 }, false],
  ])('where a service reported the one that is held: %s', async (_, token, expected) => {
    const all = ports()
    await all.fetch()
    all.clock.advance(100)
    const entry = all.made.cache.entry('key')
    if (entry) entry.isSuspect = true
    expect(await willDo(all, token)).toBe(expected)
  })
})
