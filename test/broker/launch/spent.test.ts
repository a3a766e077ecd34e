import { expect, test } from 'vitest'
import { openSpent } from '../../../broker/launch/spent.ts'
import { movedClock } from '../../support/clock.ts'

test('a state is spent once, for as long as it could come again', async () => {
  const { clock, now, advance } = movedClock()
  const spend = openSpent(clock)
  const until = now() + 60_000
  expect([await spend('a', until), await spend('a', until), await spend('b', until)]).toEqual([
    ...[true, false, true],
  ])
  advance(59)
  expect(await spend('a', until)).toBe(false)
  advance(2)
  expect(await spend('a', until)).toBe(true)
})

test('a flood fills no memory: what is over makes room, and what does not fit is refused', async () => {
  const { clock, now, advance } = movedClock()
  const spend = openSpent(clock, 3)
  for (const state of ['a', 'b', 'c']) await spend(state, now() + 60_000)
  await expect(spend('d', now() + 60_000)).rejects.toMatchObject({ code: 'rate_limited' })
  expect(await spend('a', now() + 60_000)).toBe(false)
  advance(61)
  expect(await spend('d', now() + 60_000)).toBe(true)
})
