import { describe, expect, test } from 'vitest'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import { type HeldToken, memoryCache } from '../../../broker/tokens/cache.ts'
import { cacheKey } from '../../../broker/tokens/cache-key.ts'
import { keepWarm, reportedWith } from '../../../broker/tokens/renew.ts'
import { direct } from '../../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../../broker/tokens/single-flight.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

/** So many upstreams that are kept warm, in moved time. */
function warm(count: number, life = 3600) {
  const clock = movedClock()
  const state = { calls: [] as number[], failure: null as ErrorCode | null, told: 0 }
  const wanted = Array.from({ length: count }, (_, at) => ({
    upstream: upstream({ id: `u${at}`, clientId: `c${at}`, keepWarm: true }),
    scopes: ['s'],
  }))
  let drawn = 0
  const began = clock.now()
  const ports = {
    ...{ clock: clock.clock, flights: singleFlight<HeldToken>(), hasWorked: () => true },
    chance: () => (drawn++ % 100) / 100,
    cache: memoryCache(clock.clock),
    onRefreshFailed: () => void state.told++,
    share: direct,
    exchange: async () => {
      state.calls.push((clock.now() - began) / 1000)
      if (state.failure) throw new BrokerError(state.failure)
      const accessToken = `token-${state.calls.length}`
      return { accessToken, life, scope: 's', kid: 'k', sentAt: clock.clock() }
    },
  }
  const { tick } = keepWarm({ ...ports, wanted: () => wanted })
  const run = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 5) {
      await tick()
      clock.advance(5)
    }
  }
  return { clock, state, ports, wanted, run }
}

describe('upstreams that are kept warm', () => {
  test('are all asked within a minute of the start, and never in a burst', async () => {
    const { state, run } = warm(500)
    await run(65)
    expect(state.calls).toHaveLength(500)
    const perTick = [...Map.groupBy(state.calls, second => second).values()].map(
      each => each.length,
    )
    expect(Math.max(...perTick)).toBeLessThan(80)
  })

  test('always have a token, though nobody asks', async () => {
    const { ports, wanted, run } = warm(20, 300)
    await run(65)
    for (let minute = 0; minute < 30; minute++) {
      await run(60)
      for (const { upstream: each, scopes } of wanted) {
        const entry = ports.cache.entry(cacheKey(each, scopes))
        expect(entry).toBeDefined()
      }
    }
  })

  test('that fail are tried again, a while later and not at every tick', async () => {
    const { state, run } = warm(1)
    state.failure = 'upstream_unavailable'
    await run(300)
    expect(state.calls.length).toBeGreaterThan(3)
    expect(state.calls.length).toBeLessThan(12)
    expect(state.told).toBe(state.calls.length)
  })
})

test('what nobody keeps warm is not refreshed, and is let go of when it has run out', async () => {
  const { clock, ports } = warm(0)
  const idle = { upstream: upstream(), scopes: ['s'] }
  const sentAt = clock.clock()
  const token = {
    accessToken: 't',
    sha256: 'h',
    scope: 's',
    kid: 'k',
    source: 'upstream' as const,
    sentAt,
    life: 60_000,
    soft: 1,
  }
  ports.cache.keep('key', token, idle)
  const { tick } = keepWarm({ ...ports, wanted: () => [] })
  clock.advance(59)
  await tick()
  expect(ports.cache.holding('h')).toBeDefined()
  clock.advance(2)
  await tick()
  expect([ports.cache.holding('h'), [...ports.cache.entries()]]).toEqual([undefined, []])
})

test('a token that is not held is no one’s to report', () => {
  const { ports } = warm(0)
  expect(reportedWith(ports)('0'.repeat(64))).toBeUndefined()
})
