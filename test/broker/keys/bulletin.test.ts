import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { NO_BULLETIN, openBulletin, type Report } from '../../../broker/keys/bulletin.ts'
import { openRedis, type RedisStore } from '../../../broker/tokens/redis-store.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { type Redis, startRedis } from '../../support/redis.ts'

const SECRET = randomBytes(32)

async function board(redis: Redis, owner: string, { secret = SECRET, name = 'nonprod' } = {}) {
  const store: RedisStore = openRedis(
    { url: redis.url, ca: null, prefix: 'test:' },
    // A loaded machine may be late.
    { wait: each => wait(each < 100 ? 5_000 : each), onAway: () => {}, onBack: () => {} },
  )
  onTestFinished(() => store.close())
  await store.opened
  const seal = sealWith([secret], () => randomBytes(12))
  return { store, ...openBulletin({ store, seal, wait: each => wait(each), owner, name }) }
}

const report = (id: string, parts: Partial<Report> = {}): Report => ({
  ...{ id, at: 1, since: 0, lastSignature: null, lastSigned: {} },
  ...{ inUse: [], usable: [], acknowledged: [] },
  ...parts,
})

test('what one posts the others read, and each replica has one report', async () => {
  const redis = await startRedis()
  const [a, b] = [await board(redis, 'a'), await board(redis, 'b')]
  expect(await b.read()).toEqual(NO_BULLETIN)
  await a.post({ reports: { a: report('a') } })
  await b.post({ reports: { b: report('b') } })
  await a.post({ reports: { a: report('a', { at: 2 }) } })
  expect((await b.read()).reports).toEqual({ a: report('a', { at: 2 }), b: report('b') })
})

test('nothing is lost when many post at once', async () => {
  const redis = await startRedis()
  const ids = Array.from({ length: 8 }, (_, nth) => `r${nth}`)
  const boards = await Promise.all(ids.map(id => board(redis, id)))
  await Promise.all(
    boards.map((each, nth) => {
      const id = ids[nth] ?? ''
      return each.post({
        ...{ reports: { [id]: report(id) }, promoted: [id] },
        revoked: { [id]: { at: nth, reason: id } },
      })
    }),
  )
  const { reports, revoked, promoted } = (await boards[0]?.read()) ?? NO_BULLETIN
  for (const all of [Object.keys(reports), Object.keys(revoked), promoted])
    expect(all.toSorted()).toEqual(ids)
})

test('a revocation never goes, and keeps its first reason', async () => {
  const { post } = await board(await startRedis(), 'a')
  await post({ revoked: { k: { at: 1, reason: 'leaked' } }, promoted: ['s'] })
  await post({ revoked: { k: { at: 2, reason: 'other' } } })
  expect(await post({ reports: { a: report('a') } })).toMatchObject({
    revoked: { k: { at: 1, reason: 'leaked' } },
    promoted: ['s'],
  })
})

test('an environment has a board of its own, and one who has not the secret reads nothing', async () => {
  const redis = await startRedis()
  const a = await board(redis, 'a')
  await a.post({ promoted: ['s'] })
  expect(await (await board(redis, 'b', { name: 'production' })).read()).toEqual(NO_BULLETIN)
  const stranger = await board(redis, 'c', { secret: randomBytes(32) })
  expect(await stranger.read()).toEqual(NO_BULLETIN)
  const stored = await a.store.get('keys:nonprod')
  expect(stored?.value).not.toContain('promoted')
})

test('a store that is away is said, and what was flushed comes again with the next post', async () => {
  const redis = await startRedis()
  const { read, post } = await board(redis, 'a')
  const mine = { revoked: { k: { at: 1, reason: 'leaked' } } }
  await post(mine)
  await redis.kill()
  await expect(read()).rejects.toThrow()
  await expect(post(mine)).rejects.toThrow()
  await redis.start()
  await expect.poll(() => post(mine).catch(() => NO_BULLETIN)).toMatchObject(mine)
})
