import { expect, test } from 'vitest'
import { openReplays } from '../../../broker/access/replays.ts'
import { codeOf } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'

function memory(most?: number) {
  const clock = movedClock()
  const useOnce = openReplays(clock.clock, most)
  const use = (jti: string, { service = 'a', life = 60 } = {}) =>
    codeOf(() => useOnce(service, jti, clock.now() / 1000 + life))
  return { clock, use }
}

test('a jti counts once', async () => {
  const { use } = memory()
  expect([await use('x'), await use('x'), await use('y')]).toEqual([
    'ok',
    'assertion_replayed',
    'ok',
  ])
})

test('it is each service’s own', async () => {
  const { use } = memory()
  await use('x')
  expect(await use('x', { service: 'b' })).toBe('ok')
})

test('it is remembered for as long as its assertion could be believed, leeway and all', async () => {
  const { clock, use } = memory()
  await use('x')
  clock.advance(90)
  expect(await use('x')).toBe('assertion_replayed')
  clock.advance(1)
  expect(await use('x')).toBe('ok')
})

test('a wall clock that jumps ahead and back again makes nothing new', async () => {
  const { clock, use } = memory(2)
  await use('x')
  clock.setWallBy(7200)
  await use('y')
  await use('z')
  clock.setWallBy(-7200)
  expect(await use('x')).toBe('assertion_replayed')
})

test('a service that has too many is asked to wait; the others are not', async () => {
  const { clock, use } = memory(3)
  for (const jti of ['a', 'b', 'c']) await use(jti)
  expect(await use('d')).toBe('rate_limited')
  expect(await use('d', { service: 'b' })).toBe('ok')
  clock.advance(91)
  expect(await use('d')).toBe('ok')
})
