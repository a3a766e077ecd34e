import { expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { held, left, memoryCache } from '../../../broker/tokens/cache.ts'
import { type MovedClock, movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

const WANTED = { upstream: upstream(), scopes: ['s'] }

const token = (clock: MovedClock, life: number, accessToken = 'token') =>
  held(
    { accessToken, life, scope: 'system/Patient.read', kid: 'kid', sentAt: clock.clock() },
    'upstream',
    0,
  )

test.each([
  [300, 200],
  [3600, 3300],
  [60, 40],
  [900, 600],
])('a token of %i s is refreshed from %i s on', (life, soft) => {
  expect(token(movedClock(), life).soft).toBe(soft * 1000)
})

test('chance only ever delays a refresh, by at most a fifth of the lead', () => {
  const clock = movedClock()
  const at = (chance: number) =>
    held(
      { accessToken: 't', life: 300, scope: 's', kid: 'k', sentAt: clock.clock() },
      'upstream',
      chance,
    ).soft / 1000
  expect([at(0), at(0.5), at(1)]).toEqual([200, 210, 220])
})

test('a token that arrives late does not overwrite one that lives longer', () => {
  const clock = movedClock()
  const cache = memoryCache(clock.clock)
  const early = token(clock, 300, 'early')
  clock.advance(10)
  const late = token(clock, 300, 'late')
  expect(cache.keep('key', late, WANTED)).toBe(late)
  expect(cache.keep('key', early, WANTED)).toBe(late)
  expect(cache.entry('key')?.token).toBe(late)
})

test('the EHR’s same token again does not seem to live longer', () => {
  const clock = movedClock()
  const cache = memoryCache(clock.clock)
  const first = token(clock, 300)
  cache.keep('key', first, WANTED)
  clock.advance(100)
  cache.keep('key', token(clock, 200), WANTED)
  expect(left(cache.entry('key')?.token ?? first, clock.clock())).toBe(200_000)
})

test('reading a token does not lengthen its life', () => {
  const clock = movedClock()
  const cache = memoryCache(clock.clock)
  const kept = cache.keep('key', token(clock, 300), WANTED)
  for (let at = 0; at < 10; at++) {
    clock.advance(10)
    cache.entry('key')
  }
  expect(left(kept, clock.clock())).toBe(200_000)
})

test('the least recently used go when the cache is full', () => {
  const clock = movedClock()
  const cache = memoryCache(clock.clock, 2)
  cache.keep('a', token(clock, 300), WANTED)
  cache.keep('b', token(clock, 300), WANTED)
  cache.entry('a')
  cache.keep('c', token(clock, 300), WANTED)
  expect(['a', 'b', 'c'].map(key => cache.entry(key) !== undefined)).toEqual([true, false, true])
})

test('a refusal runs out, and a token ends it', () => {
  const clock = movedClock()
  const cache = memoryCache(clock.clock)
  const error = new BrokerError('upstream_life_too_short')
  cache.refuse('key', { error, since: clock.clock(), for: 5_000 })
  expect(cache.refusal('key')).toBe(error)
  clock.advance(5)
  expect(cache.refusal('key')).toBeUndefined()
  cache.refuse('key', { error, since: clock.clock(), for: 5_000 })
  cache.keep('key', token(clock, 300), WANTED)
  expect(cache.refusal('key')).toBeUndefined()
})

test('only the hash of a token is fit to be recorded', () => {
  expect(token(movedClock(), 300, 'abc').sha256).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})
