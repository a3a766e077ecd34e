import { describe, expect, test } from 'vitest'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import { memoryCache } from '../../../broker/tokens/cache.ts'
import { obtainWith } from '../../../broker/tokens/obtain.ts'
import { direct } from '../../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../../broker/tokens/single-flight.ts'
import type { UpstreamToken } from '../../../broker/upstream/exchange.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

/** An EHR that issues `token-1`, `token-2`, … of a settable life, or fails. */
function ehr(life = 300) {
  const clock = movedClock()
  const state = {
    life,
    calls: 0,
    failure: null as ErrorCode | null,
    failedBehind: 0,
    takes: 0,
    hasWorked: true,
    spent: () => 0,
    /** What another broker has. */
    elsewhere: null as UpstreamToken | null,
  }
  const obtain = obtainWith({
    clock: clock.clock,
    chance: () => 0,
    cache: memoryCache(clock.clock),
    flights: singleFlight(),
    hasWorked: () => state.hasWorked,
    share: async ask =>
      state.elsewhere !== null && ask.isGood(state.elsewhere)
        ? { token: state.elsewhere, source: 'shared' }
        : direct(ask),
    exchange: async () => {
      state.calls++
      const sentAt = clock.clock()
      clock.advance(state.takes)
      if (state.failure) throw new BrokerError(state.failure)
      return {
        accessToken: `token-${state.calls}`,
        life: state.life - state.spent(),
        scope: 's',
        kid: 'k',
        sentAt,
      }
    },
    onRefreshFailed: () => {
      state.failedBehind++
    },
  })
  const ask = async (minimumTtl = 0): Promise<string> => {
    const { token, expiresIn } = await obtain({
      upstream: upstream(),
      scopes: ['s'],
      minimumTtl,
    }).catch(error => ({
      token: { accessToken: (error as BrokerError).code as string },
      expiresIn: () => null,
    }))
    const seconds = expiresIn()
    return seconds === null ? token.accessToken : `${token.accessToken} ${seconds}`
  }
  return { clock, state, ask, obtain }
}

/** Lets a refresh behind come to its end. */
const settle = () => new Promise(setImmediate)

test('a token is fetched once and served, with the life that is truly left', async () => {
  const { clock, state, ask } = ehr()
  expect(await ask()).toBe('token-1 300')
  clock.advance(199)
  expect(await ask()).toBe('token-1 101')
  expect(state.calls).toBe(1)
})

test('past its soft end a token is served at once and refreshed behind', async () => {
  const { clock, state, ask } = ehr()
  await ask()
  clock.advance(200)
  expect(await ask()).toBe('token-1 100')
  await settle()
  expect(state.calls).toBe(2)
  expect(await ask()).toBe('token-2 300')
})

test('life counts from when the request was sent, not from when the reply came', async () => {
  const { state, ask } = ehr()
  state.takes = 12
  expect(await ask()).toBe('token-1 288')
})

test('a clock that is set on between the decision and the reply leaves no life, and never a negative one', async () => {
  const { clock, obtain } = ehr()
  const { expiresIn } = await obtain({ upstream: upstream(), scopes: ['s'], minimumTtl: 0 })
  clock.setWallBy(3600)
  expect(expiresIn()).toBe(0)
})

describe('while the EHR is out of order', () => {
  test('a token is served to the floor and never below it', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    state.failure = 'upstream_unavailable'
    const seen: string[] = []
    for (let at = 0; at < 300; at += 10) {
      seen.push(await ask())
      await settle()
      clock.advance(10)
    }
    expect(seen.filter(each => each.startsWith('token-1'))).toHaveLength(28)
    expect(seen.slice(28)).toEqual(['upstream_unavailable', 'upstream_unavailable'])
    expect(seen[27]).toBe('token-1 30')
  })

  test('refreshes behind are not tried on every request', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    state.failure = 'upstream_unavailable'
    clock.advance(200)
    for (let at = 0; at < 20; at++) {
      await ask()
      await settle()
      clock.advance(1)
    }
    expect(state.calls).toBe(3)
    expect(state.failedBehind).toBe(2)
  })

  test('a failure is never kept in a token’s place', async () => {
    const { state, ask } = ehr()
    state.failure = 'upstream_timeout'
    expect(await ask()).toBe('upstream_timeout')
    state.failure = null
    expect(await ask()).toBe('token-2 300')
  })
})

test('a token that arrives with less than the floor is refused, and not fetched again while it lives', async () => {
  const { clock, state, ask } = ehr(29)
  expect(await ask()).toBe('upstream_life_too_short')
  expect(await ask()).toBe('upstream_life_too_short')
  expect(state.calls).toBe(1)
  clock.advance(29)
  state.life = 300
  expect(await ask()).toBe('token-2 300')
})

describe('minimum_ttl', () => {
  test('a token with that much left is served from the cache', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(100)
    expect(await ask(200)).toBe('token-1 200')
    expect(state.calls).toBe(1)
  })

  test('one with less is fetched anew, once in a third of a life', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(100)
    expect(await ask(250)).toBe('token-2 300')
    clock.advance(60)
    expect(await ask(250)).toBe('token-2 240')
    expect(state.calls).toBe(2)
    clock.advance(41)
    expect(await ask(250)).toBe('token-3 300')
  })

  test('more than the EHR lets a token live is refused without a call', async () => {
    const { state, ask } = ehr()
    await ask()
    expect(await ask(301)).toBe('minimum_ttl_too_long')
    expect(state.calls).toBe(1)
  })

  test('more than the EHR lets a token live is refused even when nothing was known of it', async () => {
    expect(await ehr().ask(301)).toBe('minimum_ttl_too_long')
  })

  test('an outage does not take away the token that is there', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(100)
    state.failure = 'upstream_unavailable'
    expect(await ask(250)).toBe('token-1 200')
  })
})

test.each([
  ['the wall clock is set back by an hour', -3600],
  ['the wall clock is set forward by an hour', 3600],
])('a token does not outlive its life when %s', async (_, seconds) => {
  const { clock, ask } = ehr()
  await ask()
  clock.setWallBy(seconds)
  clock.advance(271)
  expect(await ask()).toBe('token-2 300')
})

describe('the EHR is not asked on every request', () => {
  const callsIn = async (
    seconds: number,
    { clock, state, ask }: ReturnType<typeof ehr>,
  ): Promise<number> => {
    const before = state.calls
    for (let at = 0; at < seconds; at++) {
      await ask()
      await settle()
      clock.advance(1)
    }
    return state.calls - before
  }

  test('by one that issues the same token until it expires', async () => {
    const own = ehr(300)
    const began = own.clock.now()
    own.state.spent = () => (own.clock.now() - began) / 1000
    await own.ask()
    own.clock.advance(200)
    expect(await callsIn(69, own)).toBeLessThanOrEqual(3)
  })

  test('by one that issues shorter lives than it did', async () => {
    const own = ehr(3600)
    await own.ask()
    own.state.life = 120
    own.clock.advance(3300)
    expect(await callsIn(150, own)).toBeLessThanOrEqual(3)
  })
})

describe('while a fresher token is fetched for minimum_ttl', () => {
  test('the one that is there is not handed out once it falls below the floor', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(255)
    state.failure = 'upstream_timeout'
    state.takes = 20
    expect(await ask(100)).toBe('upstream_timeout')
  })

  test('whoever asks for as much waits for the same call', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(100)
    expect(await Promise.all([ask(250), ask(250)])).toEqual(['token-2 300', 'token-2 300'])
    expect(state.calls).toBe(2)
  })

  test('a failure that no caller is told of is reported', async () => {
    const { clock, state, ask } = ehr()
    await ask()
    clock.advance(100)
    state.failure = 'upstream_unavailable'
    await ask(250)
    expect(state.failedBehind).toBe(1)
  })
})

test('a short life of long ago does not refuse a minimum_ttl of today', async () => {
  const { clock, state, ask } = ehr(250)
  await ask()
  clock.advance(7 * 24 * 3600)
  state.life = 3600
  expect(await ask(300)).toBe('token-2 3600')
})

describe('a token that another broker has', () => {
  test('is served without a call, and told apart from one of the EHR', async () => {
    const { obtain, state, clock } = ehr()
    const sentAt = clock.clock()
    state.elsewhere = { accessToken: 'shared', life: 300, scope: 's', kid: 'k', sentAt }
    const need = { upstream: upstream(), scopes: ['s'], minimumTtl: 0 }
    const sources: string[] = []
    for (let at = 0; at < 2; at++) sources.push((await obtain(need)).source)
    clock.advance(100)
    sources.push((await obtain({ ...need, minimumTtl: 250 })).source)
    expect(sources).toEqual(['shared', 'cache', 'upstream'])
    expect(state.calls).toBe(1)
  })
})

test('who asks for a longer life gets it, though another’s fetch of a shorter one is under way', async () => {
  const { clock, state, ask } = ehr(300)
  const { wall, monotonic } = clock.clock()
  const sentAt = { wall: wall - 200_000, monotonic: monotonic - 200_000 }
  state.elsewhere = { accessToken: 'shared', life: 300, scope: 's', kid: 'k', sentAt }
  expect(await Promise.all([ask(), ask(250)])).toEqual(['shared 100', 'token-1 300'])
})
