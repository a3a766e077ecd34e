import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inParallel } from '../../broker/in-parallel.ts'

const items = Array.from({ length: 10 }, (_, at) => at)

test('so many at once and no more, and the results in order', async () => {
  let [running, most] = [0, 0]
  const results = await inParallel(4, items, async item => {
    most = Math.max(most, ++running)
    for (let turns = 0; turns < 10 - item; turns++) await turn()
    running--
    return item * 2
  })
  expect(results).toEqual(items.map(item => item * 2))
  expect(most).toBe(4)
})

test('nothing to do is done', async () => {
  expect(await inParallel(4, [], async () => 1)).toEqual([])
})

test('the first failure ends it, and no other is begun', async () => {
  const begun: number[] = []
  const done = inParallel(2, items, async item => {
    begun.push(item)
    await turn()
    if (item === 1) throw new Error('no')
    return item
  })
  await expect(done).rejects.toThrow('no')
  for (let turns = 0; turns < 20; turns++) await turn()
  expect(begun.length).toBeLessThan(5)
})
