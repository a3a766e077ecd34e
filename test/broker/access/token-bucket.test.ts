import { expect, test } from 'vitest'
import { openBuckets } from '../../../broker/access/token-bucket.ts'
import { movedClock } from '../../support/clock.ts'

const RATE = { perMinute: 6, burst: 2 }

function buckets(most = 10) {
  const clock = movedClock()
  const take = openBuckets(clock.clock, most)
  return { clock, take: (key = 'a') => take(key, RATE) }
}

test('a burst goes at once, then one at a time', () => {
  const { clock, take } = buckets()
  expect([take(), take(), take()]).toEqual([0, 0, 10_000])
  clock.advance(10)
  expect([take(), take()]).toEqual([0, 10_000])
})

test('what is refused costs nothing, and the time to wait runs down', () => {
  const { clock, take } = buckets()
  take()
  take()
  for (let times = 0; times < 100; times++) take()
  clock.advance(4)
  expect(take()).toBeCloseTo(6000)
  clock.advance(6)
  expect(take()).toBe(0)
})

test('an idle hour saves up one burst and no more', () => {
  const { clock, take } = buckets()
  clock.advance(3600)
  expect([take(), take(), take()]).toEqual([0, 0, 10_000])
})

test('each key has its own', () => {
  const { take } = buckets()
  take()
  take()
  expect(take('b')).toBe(0)
})

test.each([-3600, 3600])('a wall clock that is set by %i s gives nothing', seconds => {
  const { clock, take } = buckets()
  take()
  take()
  clock.setWallBy(seconds)
  expect(take()).toBeGreaterThan(0)
  clock.advance(10)
  expect(take()).toBe(0)
})

test('of too many keys the one that was idle longest is forgotten', () => {
  const { take } = buckets(2)
  for (const key of ['a', 'a', 'b', 'b', 'a']) take(key)
  take('c')
  expect([take('a') > 0, take('b')]).toEqual([true, 0])
})
