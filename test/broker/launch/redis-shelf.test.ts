import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openRedisShelf } from '../../../broker/launch/redis-shelf.ts'
import { startRedis } from '../../support/redis.ts'
import { shelfRules } from './shelves.ts'

let prefixes = 0

function open(url: string, prefix: string) {
  const told: string[] = []
  const shelf = openRedisShelf(
    { url, ca: null, prefix },
    {
      wait: ms => wait(ms),
      onAway: () => void told.push('away'),
      onBack: () => void told.push('back'),
    },
  )
  onTestFinished(() => shelf.close())
  return { shelf, told, now: Date.now }
}

describe('a Redis that brokers share', () => {
  shelfRules(async () => open((await startRedis()).url, `test${prefixes++}:`))
})

test('what its time is over for is gone, and other programs’ keys are none of ours', async () => {
  const { url } = await startRedis()
  const [ours, theirs] = [open(url, 'ours:'), open(url, 'theirs:')]
  await ours.shelf.put('a', 'x', null, Date.now() + 150)
  await theirs.shelf.put('a', 'y', null, Date.now() + 60_000)
  await expect.poll(() => ours.shelf.get('a')).toBeNull()
  const keys: string[] = []
  for await (const { key } of ours.shelf.all()) keys.push(key)
  expect(keys).toEqual([])
  expect(await theirs.shelf.get('a')).toEqual({ value: 'y', version: 1 })
})

test('while it is away each command is refused, and the store is told of once, and once when it is back', async () => {
  const redis = await startRedis()
  const { shelf, told } = open(redis.url, 'test:')
  await shelf.put('a', 'x', null, Date.now() + 60_000)
  await redis.kill()
  await expect(shelf.get('a')).rejects.toThrow()
  await expect(shelf.put('b', 'x', null, Date.now() + 60_000)).rejects.toThrow()
  expect(told).toEqual(['away'])
  await redis.start()
  await vi.waitFor(async () => expect(await shelf.get('a')).toBeNull(), { timeout: 10_000 })
  expect(told).toEqual(['away', 'back'])
})
