import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { NOTHING_SEEN } from '../../broker/keys/sightings.ts'
import type { KeyState } from '../../broker/keys/state.ts'
import { openStateFolder, readOnly } from '../../broker/keys/state-file.ts'
import { chanceFrom } from '../support/chance.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { folderWith } from '../support/keys.ts'
import { BROKER_MAIN, PROJECT, run, start } from '../support/processes.ts'
import { basic, SECRET } from '../support/world.ts'

const LONG = process.env['LOCKSTEP_LONG'] === '1'
const WRITER = join(PROJECT, 'test', 'support', 'state-writer.ts')
const KILLER = ['--import', join(PROJECT, 'test', 'support', 'kill-at.ts')]

const state = (since: number): KeyState => ({
  ...{ since, url: null, watched: NOTHING_SEEN, created: {}, published: {}, records: {} },
  ...{ lastSigned: { print: since }, revoked: {}, promoted: [], rotations: [] },
  ...{ proofs: {}, withdrawals: [] },
})

/** Calls by which one save changes the file system, the one that makes the folder before. */
const CALLS = 1 + 2 * 7
const KILLS = [
  ...Array.from({ length: CALLS }, (_, at) => ({ at: at + 1, half: false })),
  ...[1, 2].map(at => ({ at, half: true })),
]

describe('killed anywhere while it writes, it leaves the state before or the state after', () => {
  const { pick } = chanceFrom(Number(process.env['LOCKSTEP_SEED']))
  const chosen = LONG ? KILLS : [pick(KILLS), pick(KILLS), { at: 2, half: true }]

  test.each(chosen)('at call $at, half written: $half', async ({ at, half }) => {
    const folder = join(folderWith(), 'state')
    const env = { KILL_AT: `${at}`, KILL_HALF: half ? '1' : '', KILL_IN: '/broker/keys/' }
    const states = JSON.stringify([state(1), state(2)])
    const { signal } = await run(WRITER, [folder, states], { env, nodeOptions: KILLER })
    expect(signal).toBe('SIGKILL')
    const aside: object[] = []
    if (at > 1 || half) {
      const next = openStateFolder(folder, { now: Date.now, onSetAside: each => aside.push(each) })
      onTestFinished(() => next.close())
      expect([null, state(1), state(2)]).toContainEqual(
        next.drawerOf('nonprod').load()?.state ?? null,
      )
    }
    expect(aside).toEqual([])
  })
})

test('while a process has the folder no other can have it, and once it is killed another can', async () => {
  const folder = join(folderWith(), 'state')
  const states = JSON.stringify([state(1)])
  const first = await start(WRITER, [folder, states], /saved/, { nodeOptions: ['--expose-gc'] })
  const second = await run(WRITER, [folder, states])
  expect(second.stderr).toContain('state_in_use')
  await first.stop('SIGKILL')
  const third = await start(WRITER, [folder, states], /saved/)
  await third.stop()
})

async function ask({ issuer }: Pick<Daemon, 'issuer'>): Promise<number> {
  const { statusCode, body } = await request(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: basic('scheduling', SECRET),
    },
    body: 'grant_type=client_credentials',
  })
  await body.dump()
  return statusCode
}

test('a broker that is killed knows after the next start what was signed and accepted, and a lost or broken state costs no token', async () => {
  const daemon = await startDaemon((file, _, jwksUrl) => {
    file.keys = { nonprod: { folder: 'private', jwksUrl, ca: 'ca.pem' } }
  })
  onTestFinished(() => daemon.close())
  const { folder } = daemon
  const states = join(folder, 'audit-state')
  const again = () =>
    start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, { cwd: folder })
  daemon.sync()
  expect(await ask(daemon)).toBe(200)
  // The first look comes at the start, by itself.
  const began = () => readOnly(states)('nonprod').load()?.state.watched.began ?? null
  await expect.poll(began, { timeout: 60_000 }).not.toBeNull()
  const seen = began()
  const other = await run(BROKER_MAIN, ['--config', 'broker.yaml'], { cwd: folder })
  expect([other.code, other.stderr]).toEqual([78, expect.stringContaining('state_in_use')])
  await daemon.process.stop('SIGKILL')
  // The key that signed was saved before it did, whatever came after.
  const saved = readOnly(states)('nonprod').load()?.state
  expect(Object.keys(saved?.lastSigned ?? {})).toHaveLength(1)

  const second = await again()
  daemon.sync()
  expect(await ask(daemon)).toBe(200)
  expect((await second.stop()).code).toBe(0)
  const whole = readOnly(states)('nonprod').load()?.state
  expect(Object.keys(whole?.records ?? {})).toEqual(['epic'])
  expect(began()).toBe(seen)

  writeFileSync(
    join(states, 'nonprod.json'),
    readFileSync(join(states, 'nonprod.json')).subarray(0, 99),
  )
  const third = await again()
  daemon.sync()
  expect(await ask(daemon)).toBe(200)
  expect(third.output()).toContain('state_unreadable')
  await third.stop()
  expect(readdirSync(states).filter(name => name.endsWith('.unreadable'))).toHaveLength(1)

  rmSync(states, { recursive: true })
  const fourth = await again()
  daemon.sync()
  expect(await ask(daemon)).toBe(200)
  // The audit knows which key was accepted.
  await fourth.stop()
  expect(readOnly(states)('nonprod').load()?.state.records['epic']?.inUse).not.toBeNull()
})
