import { expect, test } from 'vitest'
import { remaining, systemClock } from '../../broker/clock.ts'

test.each([
  ['both have gone on', { wall: 4_000, monotonic: 3_000 }, 6_000],
  ['the wall clock was set back', { wall: -90_000, monotonic: 8_000 }, 2_000],
  ['the machine slept, so the monotonic clock stood', { wall: 9_000, monotonic: 0 }, 1_000],
])('the clock that says sooner is believed when %s', (_, now, expected) => {
  expect(remaining({ wall: 0, monotonic: 0 }, 10_000, now)).toBe(expected)
})

test('the system clock goes forward', () => {
  const [first, second] = [systemClock(), systemClock()]
  expect(second.monotonic).toBeGreaterThanOrEqual(first.monotonic)
  expect(Math.abs(first.wall - Date.now())).toBeLessThan(5_000)
})
