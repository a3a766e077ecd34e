import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../broker/config.ts'
import { loadSigners } from '../../broker/signers.ts'
import type { Status } from '../../broker/status.ts'
import { makeKey, makeWorld, type World, type WorldOptions } from '../support/world.ts'

/** A broker that watches the key set which the local Epic fetches too. */
async function watched(keys: object = {}, options: WorldOptions = {}): Promise<World> {
  const world = await makeWorld({
    ...options,
    prepare: async (file, _folder, _authority, jwksUrl) => {
      file.keys = { nonprod: { folder: 'private', jwksUrl, ca: 'ca.pem', ...keys } }
    },
  })
  onTestFinished(() => world.close())
  await pass(world, 0)
  return world
}

/** So many seconds later, all that is due then has been done. */
async function pass({ clock, ticks }: World, seconds: number): Promise<void> {
  clock.advance(seconds)
  for (const name of ['key sets', 'keys']) await ticks.find(each => each.name === name)?.tick()
}

/** The config and the keys that are there now, taken as the daemon takes them. */
async function reload({ folder, take }: World): Promise<void> {
  const path = join(folder, 'broker.yaml')
  const config = readConfig(path)
  const { signers, complaints } = await loadSigners(config)
  expect(complaints).toEqual([])
  take(config, signers)
}

/** A token that no cache has, and the kid that it was had with. */
async function signedWith(world: World): Promise<string> {
  world.clock.advance(3600)
  const reply = await world.ask()
  expect(reply.statusCode).toBe(200)
  return (await world.audit()).at(-1)?.granted?.kid ?? ''
}

async function status({ admin }: World): Promise<Status> {
  return (await admin.inject({ url: '/status', headers: { host: 'localhost' } })).json()
}

test('a new key signs nothing until it is live and proven, and then it signs, and no hand-out fails', async () => {
  const world = await watched()
  expect(await signedWith(world)).toBe(world.kid)
  const next = makeKey(world.folder, 'ES384', world.clock)
  await reload(world)
  await pass(world, 3600)
  expect(await signedWith(world)).toBe(world.kid)
  world.publish()
  await pass(world, 300)
  expect(await signedWith(world)).toBe(world.kid)
  for (let hour = 0; hour < 30; hour++) await pass(world, 3600)
  expect(await signedWith(world)).toBe(next)
  const [nonprod] = (await status(world)).keys
  expect(nonprod?.keys.map(({ kid, signsFor }) => [kid, signsFor])).toEqual(
    expect.arrayContaining([
      [world.kid, 0],
      [next, 1],
    ]),
  )
  expect(nonprod?.alarms).toEqual([])
})

test('where a hospital does not take the new key, the same request is answered with the old one', async () => {
  const world = await watched({ guard: 1 })
  expect(await signedWith(world)).toBe(world.kid)
  const next = makeKey(world.folder, 'ES384', world.clock)
  world.publish()
  await reload(world)
  await pass(world, 60)
  await pass(world, 60)
  // Its firewall closes: it has yesterday's set, and no way to the new one.
  world.epic.keySets.isBlocked = true
  const before = world.epic.tokenRequests
  expect(await signedWith(world)).toBe(world.kid)
  expect(world.epic.tokenRequests - before).toBe(3)
  expect((await status(world)).upstreams[0]).toMatchObject({ kid: world.kid, because: 'fallback' })
  expect(await signedWith(world)).toBe(world.kid)
  world.epic.keySets.isBlocked = false
  await pass(world, 3600)
  expect(await signedWith(world)).toBe(next)
})

test('a key that is gone from the set signs on, with an alarm, until another is there', async () => {
  const world = await watched({ guard: 1 })
  await signedWith(world)
  makeKey(world.folder, 'ES384', world.clock)
  world.publish(world.kid)
  await pass(world, 300)
  const [nonprod] = (await status(world)).keys
  expect(nonprod?.alarms.map(({ code }) => code)).toEqual(['key_unclaimed', 'key_not_live'])
  expect((await status(world)).upstreams[0]?.kid).toBe(world.kid)
})

test('a key is signed with under the kid and alg that the key set gives it, as the EHR knows it', async () => {
  const world = await watched({}, { alg: 'RS384' })
  const [name = ''] = readFolder(world)
  const path = join(world.folder, 'private', name)
  const { kid: _kid, alg: _alg, ...bare } = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...bare, kid: 'a-name-of-our-own' }))
  await reload(world)
  expect(await signedWith(world)).toBe(world.kid)
  const [nonprod] = (await status(world)).keys
  expect(nonprod?.alarms.map(({ code }) => code)).toContain('key_published_otherwise')
})

test('the state taken away while it runs costs nothing, and is written anew', async () => {
  const world = await watched({ guard: 1 })
  await signedWith(world)
  rmSync(join(world.folder, 'audit-state', 'nonprod.json'))
  expect(await signedWith(world)).toBe(world.kid)
  await pass(world, 60)
  expect(readFileSync(join(world.folder, 'audit-state', 'nonprod.json'), 'utf8')).toContain(
    world.kid,
  )
})

const readFolder = ({ folder }: World): string[] =>
  readdirSync(join(folder, 'private')).filter(name => name.endsWith('.jwk.json'))
