import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { readConfig } from '../../broker/config.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import type { Revoked } from '../../broker/keys/orders.ts'
import type { KeyOverview } from '../../broker/keys/overview.ts'
import { loadSigners } from '../../broker/signers.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { KEYS_FOLDER } from '../../keys-pipeline/github/key-changes.ts'
import { githubForEach, REPOSITORY } from '../support/github-server.ts'
import { asIs, fill, SET_URL } from '../support/keys.ts'
import { BROKER_CLI, type Finished, KEYS_CLI, run } from '../support/processes.ts'
import { makeWorld, type World } from '../support/world.ts'

const server = githubForEach()
const GUARD = 60
const REST = GUARD + 301

/** A broker whose operator's socket is open, that watches the key set which the local Epic fetches too. */
async function opened(edit: (file: ConfigFile, folder: string) => void): Promise<World> {
  const world = await makeWorld({
    alg: 'ES256',
    prepare: async (file, folder, _authority, jwksUrl) => {
      mkdirSync(join(folder, 'standby'), { mode: 0o700 })
      fill(folder, { 'settings.yaml': settingsFor(jwksUrl) })
      file.keys = { nonprod: { folder: 'private', jwksUrl, ca: 'ca.pem', guard: GUARD, watch: 30 } }
      edit(file, folder)
    },
  })
  onTestFinished(() => world.close())
  await world.admin.listen({ path: join(world.folder, 'admin.sock') })
  onTestFinished(() => world.admin.close())
  await pass(world, 0)
  await pass(world, GUARD)
  expect((await world.ask()).statusCode).toBe(200)
  return world
}

/** A publisher whose nonprod set is that URL. */
function settingsFor(url: string): string {
  const { origin, pathname } = new URL(url)
  return stringify({
    baseUrl: origin,
    environments: { nonprod: { path: pathname.slice(1) }, production: { path: 'production.json' } },
    guard: { live: GUARD, retired: REST },
  })
}

/** So many seconds later, all that is due then has been done. */
async function pass(world: World, seconds: number): Promise<void> {
  world.clock.advance(seconds)
  for (const name of ['key sets', 'keys', 'rotations']) {
    await reload(world)
    await world.ticks.find(each => each.name === name)?.tick()
  }
}

/** The keys that are there now, taken as the daemon takes them. */
async function reload({ folder, take }: World): Promise<void> {
  const config = readConfig(join(folder, 'broker.yaml'))
  const { signers, complaints } = await loadSigners(config)
  expect(complaints).toEqual([])
  take(config, signers)
}

const cli = ({ folder }: World, ...args: string[]): Promise<Finished> =>
  run(BROKER_CLI, args, { cwd: folder })

async function overview(world: World): Promise<KeyOverview> {
  const reply = await world.admin.inject({ url: '/keys', headers: { host: 'localhost' } })
  return reply.json().environments[0]
}
const stateOf = ({ keys }: KeyOverview, kid: string) => keys.find(each => each.kid === kid)?.state

/** What an operator copies from `keys`, run as it stands in a checkout of the publisher. */
async function byHand(world: World): Promise<void> {
  const { steps } = await overview(world)
  const { commands } =
    steps.find(({ waitsFor }) => waitsFor?.code === 'publish_by_hand')?.waitsFor?.facts ?? {}
  const script = String(commands).replaceAll(
    /^npm run -s keys -- (.*)$/gm,
    `node ${KEYS_CLI} $1 --keys keys --settings settings.yaml`,
  )
  const { stderr } = await promisify(execFile)('sh', ['-ec', script], {
    cwd: world.folder,
    // As npm says where the user stands, whoever runs these tests.
    env: { ...process.env, INIT_CWD: world.folder },
  })
  expect(stderr).toBe('')
  world.publish()
}

test('without a repository the commands that are printed publish the new key, and later withdraw the old', async () => {
  const world = await opened(() => {})
  const ordered = await cli(world, 'rotate', 'nonprod')
  expect([ordered.code, ordered.stdout]).toEqual([0, expect.stringContaining('ES256: begun')])
  expect((await world.audit()).at(-1)).toMatchObject({
    ...{ action: 'rotate', decision: 'granted', address: 'unix' },
    order: { environment: 'nonprod', kid: null },
  })
  await pass(world, 5)
  await pass(world, 5)
  await byHand(world)
  const next = readdirSync(join(world.folder, 'keys', 'nonprod'))
    .map(name => name.split('.')[0] ?? '')
    .find(name => name !== 'lifecycle' && name !== world.kid)
  await pass(world, GUARD)
  expect(stateOf(await overview(world), next ?? '')).toBe('live')
  await pass(world, GUARD)
  await pass(world, GUARD)
  const signing = await overview(world)
  expect([stateOf(signing, next ?? ''), stateOf(signing, world.kid)]).toEqual([
    'signing',
    'resting',
  ])
  // No service has asked meanwhile: the EHR was asked for the rotation's sake.
  await pass(world, REST)
  await pass(world, 5)
  const released = await cli(world, 'release', world.kid)
  expect([released.code, released.stdout]).toEqual([
    0,
    expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/),
  ])
  await byHand(world)
  await pass(world, GUARD)
  await pass(world, 5)
  expect(readdirSync(join(world.folder, 'private', 'retired'))).toEqual([
    expect.stringContaining(world.kid),
  ])
  expect((await overview(world)).keys.map(({ kid }) => kid)).toEqual([next])
  expect((await overview(world)).rotations).toEqual([])
  world.clock.advance(3600)
  expect((await world.ask()).statusCode).toBe(200)
  expect((await world.audit()).at(-1)?.granted?.kid).toBe(next)
})

test('a key that is revoked signs nothing more, the standby does, and its removal is proposed at once', async () => {
  const world = await opened((file, folder) => {
    generateKey(
      { alg: 'ES256', bits: 0, privateFolder: join(folder, 'standby') },
      {
        ...{ keys: join(folder, 'keys'), environment: 'nonprod', url: SET_URL, now: 0 },
        ...{ role: 'standby', show: asIs },
      },
    )
    const nonprod = file.keys.nonprod
    if (nonprod) nonprod.standbyFolder = 'standby'
  })
  world.publish()
  await pass(world, 5)
  await pass(world, GUARD)
  const standby = (await overview(world)).keys.find(({ role }) => role === 'standby')
  expect(standby?.state).toBe('standby')
  const revoked = await cli(world, 'revoke', world.kid, '--reason', 'leaked', '--json')
  expect(revoked.code).toBe(0)
  const said: Revoked = JSON.parse(revoked.stdout)
  expect(said).toMatchObject({
    ...{ kid: world.kid, isSaved: true, isLive: true, promoted: [standby?.kid] },
    upstreams: [{ id: 'epic', kid: standby?.kid, isPinned: false, trustsFor: GUARD }],
  })
  world.clock.advance(3600)
  expect((await world.ask()).statusCode).toBe(200)
  expect((await world.audit()).at(-1)?.granted?.kid).toBe(standby?.kid)
  await pass(world, 5)
  await byHand(world)
  expect(readFileSync(join(world.folder, 'keys', 'nonprod', 'lifecycle.json'), 'utf8')).toContain(
    '"emergency": true',
  )
  await pass(world, GUARD)
  // The folder of signers is not left empty, which the next start would refuse.
  expect(existsSync(join(world.folder, 'private', 'retired'))).toBe(false)
})

test('with a repository and a token in a file the broker opens the pull request itself', async () => {
  const world = await opened((file, folder) => {
    writeFileSync(join(folder, 'github.token'), 'a-secret-token\n', { mode: 0o600 })
    const github = { repository: REPOSITORY, tokenFile: 'github.token', baseUrl: server().url }
    file.rotation = { github }
  })
  const place = join(world.folder, 'keys', 'nonprod')
  server().git.commit(
    Object.fromEntries(
      readdirSync(place).map(name => [
        `${KEYS_FOLDER}/nonprod/${name}`,
        readFileSync(join(place, name), 'utf8'),
      ]),
    ),
  )
  await cli(world, 'rotate', 'nonprod', '--alg', 'ES256')
  await pass(world, 5)
  await pass(world, 5)
  expect(server().pulls).toMatchObject([{ state: 'open' }])
  const { keys, steps } = await overview(world)
  expect(keys.map(({ state }) => state).sort()).toEqual(['proposed', 'signing'])
  expect(steps).toMatchObject([{ do: 'propose', waitsFor: null }])
  const shown = await cli(world, 'keys')
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/^proposed .*\n/m)])
  expect(server().requests.map(({ authorization }) => authorization)).toContain(
    'token a-secret-token',
  )
  expect(world.logged()).not.toContain('a-secret-token')
})

test('what cannot be ordered is refused by its code, and the exit status is 1', async () => {
  const world = await opened(() => {})
  const { code, stdout, stderr } = await cli(world, 'release', world.kid)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/\(key_needed; kid .*; why no_successor,signing/)
  const wrong = await cli(world, 'rotate', 'staging')
  expect(wrong.code).toBe(2)
})
