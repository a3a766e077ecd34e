import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addKeys, type Custody } from '../../keys-pipeline/add.ts'
import { readSite } from '../../keys-pipeline/built-site.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { build as buildSite, judgeKeys, judgePaths } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, ecJwk, ecPair, folderWith, proofBy, SET_URL } from '../support/keys.ts'
import { KEYS_CLI, PROJECT, run } from '../support/processes.ts'

const PRELOAD = join(PROJECT, 'test', 'support', 'kill-at.ts')

/** More changes to the file system than any command makes. */
const MOST = 80
const AT_ONCE = 4

/** A command as a user gives it, and the same in this process: to prepare a folder, and to see that it works again. */
interface Command {
  args: string[]
  act: (folder: string) => unknown
}

const PROOF = proofBy(ecPair())

const custody = (folder: string): Custody => ({
  ...{
    keys: join(folder, 'keys'),
    environment: 'nonprod',
    url: SET_URL,
    role: 'signer',
    now: 0,
    show: asIs,
  },
})
const generate: Command = {
  args: ['generate', '--alg', 'ES256', '--keys', 'keys', '--private-folder', 'private'],
  act: folder =>
    void generateKey(
      { alg: 'ES256', bits: 0, privateFolder: join(folder, 'private') },
      custody(folder),
    ),
}
const add: Command = {
  args: ['add', 'new.json', '--environment', 'nonprod', '--keys', 'keys', '--proof', PROOF],
  act: folder => addKeys(join(folder, 'new.json'), {}, [PROOF], custody(folder)),
}
const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
const templates = readTemplates(join(PROJECT, 'site'))
const build: Command = {
  args: ['build', '--keys', 'keys', '--out', 'out'],
  act: folder => {
    const [keys, out] = [join(folder, 'keys'), join(folder, 'out')]
    buildSite({ keys, out, settings, templates, commit: null, show: asIs })
  },
}

const keysIn = (folder: string, path: string, ending: string): string[] => {
  const place = join(folder, path)
  return existsSync(place) ? readdirSync(place).filter(name => name.endsWith(ending)) : []
}

/** What must hold whenever the process may have been killed. */
function holds(folder: string): void {
  const { findings, environments } = judgeKeys(join(folder, 'keys'), asIs)
  expect(findings.filter(each => each.code !== 'set_empty')).toEqual([])
  const secrets = keysIn(folder, 'private', '.private.jwk.json')
  for (const name of secrets) {
    const path = join(folder, 'private', name)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toHaveProperty('d')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  }
  for (const key of environments.nonprod.keys) {
    if (key.jwk.kid === 'given') continue
    expect(secrets).toContain(`${key.thumbprint}.private.jwk.json`)
    expect(environments.nonprod.lifecycle).toHaveProperty([key.thumbprint])
  }
  if (existsSync(join(folder, 'out')))
    expect(readSite(join(folder, 'out'), asIs).size).toBeGreaterThan(3)
}

/** Runs the command again and again, killed a step later each time, until it ends by itself. */
async function killedEverywhere(
  command: Command,
  half: boolean,
  before: Command[],
): Promise<number> {
  for (let at = 1; at <= MOST; at += AT_ONCE) {
    const steps = Array.from({ length: AT_ONCE }, (_, more) => at + more)
    const killed = await Promise.all(steps.map(step => killedAt(step, command, half, before)))
    if (killed.includes(false)) return at - 1 + killed.indexOf(false)
  }
  throw new Error(`not done after ${MOST} steps`)
}

/** Whether the command was killed at this step; false once it has no such step. */
async function killedAt(
  at: number,
  command: Command,
  half: boolean,
  before: Command[],
): Promise<boolean> {
  const folder = folderWith({ 'new.json': { ...ecJwk(), kid: 'given' } })
  for (const { act } of before) await act(folder)
  const env = { KILL_AT: `${at}`, KILL_HALF: half ? '1' : '0' }
  const { code, signal } = await run(KEYS_CLI, command.args, {
    cwd: folder,
    env,
    nodeOptions: ['--import', PRELOAD],
  })
  holds(folder)
  if (signal === null) {
    expect(code).toBe(0)
    return false
  }
  expect(signal).toBe('SIGKILL')
  const wasIn = keysIn(folder, 'keys/nonprod', '.jwk.json').length > 0
  // A key that was whole when the process died is there: adding it again says so.
  if (command === add && wasIn)
    await expect(command.act(folder)).rejects.toMatchObject({ code: 'key_twice' })
  else await command.act(folder)
  holds(folder)
  return true
}

describe('killed at any point, no half-written file is taken for a whole one', () => {
  test.each<[string, Command, Command[], number]>([
    ['generate', generate, [], 12],
    ['add', add, [], 8],
    ['the first build', build, [add], 10],
    ['a build over another', build, [add, build], 10],
  ])('%s, before each change', { timeout: 120_000 }, async (_, command, before, least) => {
    expect(await killedEverywhere(command, false, before)).toBeGreaterThanOrEqual(least)
  })

  test.each<[string, Command, Command[], number]>([
    ['generate', generate, [], 3],
    ['add', add, [], 2],
    ['build', build, [add, build], 5],
  ])('%s, in the middle of each write', { timeout: 120_000 }, async (_, command, before, least) => {
    expect(await killedEverywhere(command, true, before)).toBeGreaterThanOrEqual(least)
  })
})

test('what a killed run leaves behind is no finding of check', async () => {
  const folder = folderWith({ 'new.json': { ...ecJwk(), kid: 'given' } })
  await killedIn(folder, add, 1)
  expect(readdirSync(join(folder, 'keys'))).not.toEqual(['nonprod'])
  expect(judgePaths([join(folder, 'keys')], asIs).findings).toEqual([])
})

test('a run that is killed in a checkout leaves no private key that git does not ignore', async () => {
  for (let at = 1; at <= 2; at++) {
    const folder = folderWith({ '.git/HEAD': '' })
    await killedIn(folder, generate, at)
    const files = readdirSync(join(folder, 'private'), { recursive: true }).map(String)
    const ignored = existsSync(join(folder, 'private', '.gitignore'))
    // The first write is of .gitignore itself, the second is of the key.
    expect([ignored, files.some(name => name.endsWith('draft'))]).toEqual([at === 2, true])
    if (!ignored) continue
    const lines = readFileSync(join(folder, 'private', '.gitignore'), 'utf8').split('\n')
    expect(lines).toEqual(expect.arrayContaining(['*.private.*', '.lockstep-*']))
  }
})

/** Kills the command in the middle of its nth write. */
async function killedIn(folder: string, { args }: Command, write: number): Promise<void> {
  const { signal } = await run(KEYS_CLI, args, {
    cwd: folder,
    env: { KILL_AT: `${write}`, KILL_HALF: '1' },
    nodeOptions: ['--import', PRELOAD],
  })
  expect(signal).toBe('SIGKILL')
}
