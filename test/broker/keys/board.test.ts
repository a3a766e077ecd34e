import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { joined, NO_WORK, type Posted } from '../../../broker/keys/replicas.ts'
import { boardIn } from '../../support/boards.ts'
import { startRedis } from '../../support/redis.ts'
import type { Redis } from '../../support/redis-server.ts'

const posted = (...promoted: string[]): Posted => ({
  ...{ lease: null, work: NO_WORK, revoked: {}, created: {} },
  ...{ promoted, seen: null, reports: {} },
})

let redis: Redis
beforeEach(async () => {
  redis = await startRedis()
})

test('what one posts the others read', async () => {
  const [a, b] = [await boardIn(redis), await boardIn(redis)]
  const empty = await b.read()
  expect(empty).toEqual({ text: null, posted: null })
  expect(await a.replace(empty, posted('s'))).toBe(true)
  expect((await b.read()).posted).toEqual(posted('s'))
})

test('what was posted meanwhile is not written over, and nothing is lost when many post at once', async () => {
  const a = await boardIn(redis)
  const empty = await a.read()
  expect(await a.replace(empty, posted('first'))).toBe(true)
  expect(await a.replace(empty, posted('late'))).toBe(false)
  const names = Array.from({ length: 8 }, (_, nth) => `r${nth}`)
  await Promise.all(
    names.map(async name => {
      const board = await boardIn(redis)
      for (;;) {
        const sheet = await board.read()
        const next = joined(sheet.posted ?? posted(), posted(name))
        if (await board.replace(sheet, next)) return
      }
    }),
  )
  expect((await a.read()).posted?.promoted.toSorted()).toEqual(['first', ...names])
})

test('an environment has a board of its own, and nothing of it is in clear', async () => {
  const a = await boardIn(redis)
  await a.replace(await a.read(), posted('s'))
  expect((await (await boardIn(redis, { name: 'production' })).read()).posted).toBeNull()
  expect((await a.store.get('keys:nonprod'))?.value).not.toContain('promoted')
})

test('what is sealed with another secret, or is nothing of ours, is neither read nor taken for nothing', async () => {
  const a = await boardIn(redis)
  await a.replace(await a.read(), posted('s'))
  const stranger = await boardIn(redis, { secret: randomBytes(32) })
  await expect(stranger.read()).rejects.toMatchObject({ code: 'UNREADABLE' })
  await a.store.put('keys:nonprod', 'rubbish', 60_000)
  await expect(a.read()).rejects.toMatchObject({ code: 'UNREADABLE' })
})

test('a store that is away is said', async () => {
  const a = await boardIn(redis)
  const sheet = await a.read()
  await redis.kill()
  await expect(a.read()).rejects.toThrow()
  await expect(a.replace(sheet, posted())).rejects.toThrow()
})
