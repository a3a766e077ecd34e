import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { MakePair } from '../../../broker/keys/make-key.ts'
import { openPublisher } from '../../../broker/keys/publish.ts'
import { newPairBeside } from '../../../keys-pipeline/key-pair.ts'
import { boardIn } from '../../support/boards.ts'
import { type MovedClock, movedClock } from '../../support/clock.ts'
import { githubForEach, REPOSITORY, UNPACED } from '../../support/github-server.ts'
import { startRedis } from '../../support/redis.ts'
import type { Redis } from '../../support/redis-server.ts'
import { type Engine, GUARD, openEngine, REST } from '../../support/rotation-engine.ts'
import { committed, FIRST, keyFolder, merge } from '../../support/rotation-room.ts'

const server = githubForEach()

interface Fleet {
  redis: Redis
  clock: MovedClock
  folder: string
  /** Another broker that shares the folder of keys and the store. */
  open: (name: string, makePair?: MakePair) => Promise<Engine>
}

let fleet: Fleet
beforeEach(async () => {
  const [redis, clock, folder] = [await startRedis(), movedClock(), keyFolder()]
  server().git.commit(committed(folder))
  const access = { repository: REPOSITORY, baseUrl: server().url, fetch: globalThis.fetch }
  const publisher = openPublisher({ ...access, throttle: UNPACED.throttle }, async () => 'a-token')
  const open: Fleet['open'] = async (name, makePair = newPairBeside) => {
    const engine = openEngine({
      ...{ folder, clock, publisher, state: name, board: await boardIn(redis), isBlind: true },
      ...{ makePair, published: () => server().git.files('main') },
    })
    onTestFinished(engine.stop)
    await engine.keys.sync()
    return engine
  }
  fleet = { redis, clock, folder, open }
})

/** Two brokers with the first key live and proven, each of which has had a token of every EHR. */
async function pair(makePair?: MakePair): Promise<[Engine, Engine]> {
  const both: [Engine, Engine] = [await fleet.open('a', makePair), await fleet.open('b')]
  await pass(0, ...both)
  await pass(GUARD, ...both)
  for (const each of both) each.accept()
  await pass(0, ...both)
  return both
}

/** So many seconds later each has looked, told and heard the others, and done what was due. */
async function pass(seconds: number, ...engines: Engine[]): Promise<void> {
  fleet.clock.advance(seconds)
  for (const each of engines) each.look()
  // Each has heard what the others said since.
  for (const each of [...engines, ...engines]) await each.keys.sync()
  for (const each of engines) await each.tick()
}

const signing = ({ keys }: Engine) => keys.handOf('a')?.key.kid ?? null
const held = (engines: Engine[]) => engines.filter(({ keys }) => keys.holds())

test('two that rotate make one key and two pull requests, and the old key goes when both sign with the new one', async () => {
  const [a, b] = await pair()
  await b.orders.rotate('nonprod', null)
  expect(await a.orders.rotate('nonprod', null)).toMatchObject([{ did: 'under_way' }])
  for (let count = 0; count < 4; count++) await pass(5, a, b)
  expect(
    readdirSync(join(fleet.folder, 'private')).filter(name => name.endsWith('.json')),
  ).toHaveLength(2)
  expect(server().pulls).toHaveLength(1)
  merge(server(), fleet.clock.now())
  await pass(0, a, b)
  for (let count = 0; count < 3; count++) await pass(GUARD, a, b)
  expect([signing(a), signing(b)]).not.toContain(FIRST)
  for (let count = 0; count < 3; count++) await pass(REST, a, b)
  expect(server().pulls.map(({ state }) => state)).toEqual(['closed', 'open'])
  expect(held([a, b])).toHaveLength(1)
})

test('a key that one revokes is signed with by no other, which acknowledges it', async () => {
  const [a, b] = await pair()
  await pass(5, a, b)
  expect(await a.orders.revoke(FIRST, 'leaked')).toMatchObject({
    ...{ isSaved: true, untold: null, replicas: [{ isGiven: false }] },
  })
  expect(signing(b)).toBe(FIRST)
  await b.keys.heed()
  expect(signing(b)).toBeNull()
  await b.keys.sync()
  expect(await a.orders.revoke(FIRST, 'again')).toMatchObject({ replicas: [{ isGiven: true }] })
  expect(Object.values(b.keys.state().revoked)).toMatchObject([{ reason: 'leaked' }])
})

test('while the store is away each signs on with what it knows, rings, and tells the others when it is back', async () => {
  const [a, b] = await pair()
  await fleet.redis.kill()
  expect(await a.orders.revoke(FIRST, 'leaked')).toMatchObject({
    ...{ isSaved: true, untold: expect.any(String), begun: [] },
  })
  await b.keys.heed()
  expect(signing(b)).toBe(FIRST)
  // One answer that is late is no news.
  expect(b.keys.alarms().map(({ code }) => code)).not.toContain('store_away')
  fleet.clock.advance(10)
  await b.keys.heed()
  expect(b.keys.alarms().map(({ code }) => code)).toContain('store_away')
  await expect(b.orders.rotate('nonprod', null)).rejects.toMatchObject({ code: 'store_unwritable' })
  // Whatever it held is gone.
  await fleet.redis.start()
  await expect.poll(() => a.keys.sync()).toBe(true)
  await expect.poll(() => b.keys.sync()).toBe(true)
  expect(signing(b)).toBeNull()
  expect(b.keys.alarms().map(({ code }) => code)).not.toContain('store_away')
  expect(await a.orders.revoke(FIRST, 'again')).toMatchObject({
    ...{ untold: null, begun: [{ role: 'signer' }] },
  })
})

test('where the one that rotates is gone another goes on, and what the first still writes is refused', async () => {
  const [a, b] = await pair()
  const [first, second] = a.keys.holds() ? [a, b] : [b, a]
  await first.orders.rotate('nonprod', null)
  await pass(0, second)
  await pass(29, second)
  expect(second.keys.holds()).toBe(false)
  await pass(2, second)
  expect(second.keys.holds()).toBe(true)
  await pass(5, second)
  expect(server().pulls).toHaveLength(0)
  // It may come again any moment, and is not waited for long.
  await pass(300, second)
  expect(server().pulls).toHaveLength(1)
  // It was asleep, and does not know yet.
  await expect(first.keys.mayStill()).rejects.toMatchObject({ code: 'rotation_elsewhere' })
  await pass(5, first, second)
  expect([first.files().length, server().pulls.length]).toEqual([2, 1])
})

test('one that is held up while it makes a key makes none, since another has made it meanwhile', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const [a, b] = await pair(async (...wanted) => {
    await gate
    return newPairBeside(...wanted)
  })
  expect(a.keys.holds()).toBe(true)
  await a.orders.rotate('nonprod', null)
  const heldUp = a.tick()
  await pass(0, b)
  await pass(31, b)
  await pass(5, b)
  open()
  await heldUp
  expect(a.codes()).toEqual([])
  expect(a.files()).toHaveLength(2)
  expect(a.told.map(({ facts }) => facts['code'])).toContain('rotation_elsewhere')
  await pass(5, a, b)
  expect(b.keys.state().rotations).toMatchObject([{ made: expect.any(String) }])
  expect(a.keys.state().rotations).toEqual(b.keys.state().rotations)
})

test('one that ends in peace hands the rotations over at once', async () => {
  const [a, b] = await pair()
  const [first, second] = a.keys.holds() ? [a, b] : [b, a]
  await first.keys.leave()
  await second.keys.sync()
  expect([first.keys.holds(), second.keys.holds()]).toEqual([false, true])
})

test('a broker with nothing of its own begins with what the others have seen', async () => {
  const [a, b] = await pair()
  await pass(5, a, b)
  const c = await fleet.open('c')
  expect(c.keys.handOf('a')).toMatchObject({ key: { kid: FIRST }, because: 'newest' })
  const { created, since } = a.keys.state()
  expect(c.keys.state()).toMatchObject({ created, since })
})

test('a key is proposed when every broker can sign with it', async () => {
  const [a, b] = await pair()
  const [first, second] = a.keys.holds() ? [a, b] : [b, a]
  await first.orders.rotate('nonprod', null)
  // The other has not seen its folder yet.
  for (let count = 0; count < 3; count++) {
    await first.tick()
    await first.keys.sync()
  }
  expect(server().pulls).toEqual([])
  for (let count = 0; count < 2; count++) await pass(5, second)
  await pass(5, first)
  expect(server().pulls).toHaveLength(1)
})

test('of a broker whose clock was set back the last word counts, not the latest time', async () => {
  const [a, b] = await pair()
  await a.orders.revoke(FIRST, 'leaked')
  fleet.clock.setWallBy(-3600)
  await b.keys.sync()
  await a.keys.sync()
  expect(a.keys.standings()).toMatchObject([{ is: 'here' }, { is: 'heard', lacks: [] }])
})

test('the publisher’s word of when a key was made goes before what any broker has seen, and all have it', async () => {
  const [a, b] = await pair()
  const [thumbprint = ''] = Object.keys(a.keys.state().created)
  a.keys.learn({ created: { [thumbprint]: 1000, unknown: 2000 } })
  for (const each of [a, b, a, b]) await each.keys.sync()
  for (const each of [a, b]) expect(each.keys.state().created).toEqual({ [thumbprint]: 1000 })
})

test('a key that is released at one broker is signed with by no other', async () => {
  const [a, b] = await pair()
  const [key] = a.keys.situation().keys
  const [thumbprint, release] = [key?.thumbprint ?? '', 'a.b.c']
  const withdrawal = { thumbprint, release, at: 0, reason: 'replaced', proposal: null }
  await a.keys.keep(() => ({ withdrawals: [withdrawal] }), 'anyone')
  expect(b.keys.situation().keys).toMatchObject([{ isReleased: false }])
  await b.keys.heed()
  expect(b.keys.situation().keys).toMatchObject([{ isReleased: true }])
})

test('a state folder that was copied is no second broker under the same name', async () => {
  const [a] = await pair()
  cpSync(join(fleet.folder, 'a'), join(fleet.folder, 'copy'), { recursive: true })
  fleet.clock.advance(1)
  const copy = await fleet.open('copy')
  fleet.clock.advance(1)
  await a.keys.sync()
  await copy.keys.sync()
  await a.keys.sync()
  expect(copy.keys.id()).not.toBe(a.keys.id())
  expect(a.keys.others().map(({ id }) => id)).toContain(copy.keys.id())
})
