import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { importBundle } from '../../../broker/catalogue/import.ts'
import type { Given } from '../../../broker/catalogue/plan.ts'
import { readConfig } from '../../../broker/config.ts'
import { firstConfig, SANDBOXES } from '../../../broker/init.ts'
import { readUpstreamFolder } from '../../../broker/upstream-folder.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import {
  bundleOf,
  json,
  madeUp,
  page,
  serveTenants,
  status,
  type Tenants,
} from '../../support/hospitals.ts'
import { folderWith } from '../../support/keys.ts'
import { BROKER_CLI, type Finished, PROJECT, run, start } from '../../support/processes.ts'

const PRELOAD = join(PROJECT, 'test', 'support', 'kill-at.ts')
const hospitals = madeUp(60)
/** Hospitals that do not answer as they should, by their place in the list. */
const FAILING = new Map([
  [3, page],
  [17, status(404)],
  [31, status(503)],
  [44, json({ token_endpoint: 'https://token.example.org/t' })],
  [59, json({ issuer: 'x' })],
])

let authority: Authority
let tenants: Tenants
let folder: string
beforeAll(async () => {
  authority = await makeAuthority()
})
beforeEach(async () => {
  tenants = await serveTenants(await authority.issue())
  for (const [at, answer] of FAILING) tenants.answers.set(pathOf(at), answer)
  folder = folderWith({
    'ca.pem': authority.ca,
    'bundle.json': bundleOf(hospitals, tenants.origin),
  })
  return () => tenants.close()
})

const pathOf = (at: number): string => hospitals[at]?.path ?? ''
const OPTIONS = {
  ...{ '--out': 'upstreams', '--client-id': 'our-app', '--profile': 'epic' },
  ...{ '--environment': 'nonprod', '--scopes': 'system/Patient.read,system/Task.read' },
  ...{ '--accept': 'localhost', '--ca': 'ca.pem' },
}
const argsOf = (options: object): string[] => [
  'import',
  'bundle.json',
  ...Object.entries(options).flat(),
]
const ARGS = argsOf(OPTIONS)
const imports = (...args: string[]): Promise<Finished> =>
  run(BROKER_CLI, [...ARGS, ...args], { cwd: folder })
const upstreams = () => join(folder, 'upstreams')
const files = (): string[] => readdirSync(upstreams()).filter(name => !name.startsWith('.'))
const tree = (of = upstreams()): Record<string, string> =>
  Object.fromEntries(
    readdirSync(of)
      .sort()
      .map(name => [name, readFileSync(join(of, name), 'utf8')]),
  )

test('a list of sixty becomes a folder that a config takes, and five are switched off with the cause', async () => {
  tenants.hold = 4
  const { code, stdout, stderr } = await imports()
  expect(code).toBe(0)
  expect(stdout).toContain('60 hospitals: 60 added')
  expect(stdout).toContain('5 of them switched off')
  expect(stderr.trim().split('\n')).toHaveLength(60)
  expect(tenants.most()).toBe(4)

  const { upstreams: _, ...rest } = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
  writeFileSync(
    join(folder, 'broker.yaml'),
    stringify({ ...rest, services: {}, upstreamFolder: 'upstreams' }),
  )
  const config = readConfig(join(folder, 'broker.yaml'))
  expect([config.upstreams.size, config.disabled.size]).toEqual([55, 5])
  const byBase = new Map([...config.upstreams.values()].map(each => [each.fhirBase, each]))
  for (const [at, { path }] of hospitals.entries()) {
    const found = byBase.get(`${tenants.origin}${path}`)
    expect(found?.tokenEndpoint).toBe(FAILING.has(at) ? undefined : tenants.tokenEndpoint(path))
  }
  expect([...config.upstreams.values()][0]).toMatchObject({
    ca: authority.ca,
    scopes: ['system/Patient.read', 'system/Task.read'],
  })
  const causes = [...config.disabled.values()].map(each => /\((\w+)/.exec(each.reason)?.[1])
  expect(causes.sort()).toEqual([
    ...['discovery_malformed', 'discovery_not_found', 'discovery_other_domain'],
    ...['upstream_not_json', 'upstream_unavailable'],
  ])
})

test('killed half-way it goes on where it was, and ends as if it had not been', async () => {
  await imports()
  const whole = tree()
  rmSync(upstreams(), { recursive: true })

  tenants.asked.length = 0
  // The thirtieth and those after it hang, so that the import can be killed while it waits for them.
  const hung = new Promise<void>(done => {
    tenants.silence = { from: 30, begun: done }
  })
  const running = await start(BROKER_CLI, ARGS, /^20\/60/m, { cwd: folder })
  await hung
  const { signal } = await running.stop('SIGKILL')
  expect(signal).toBe('SIGKILL')
  expect(files()).toEqual([])

  tenants.silence = null
  const before = tenants.asked.length
  const { code, stderr } = await imports()
  expect(code).toBe(0)
  expect(tree()).toEqual(whole)
  const [first, second] = [tenants.asked.slice(0, before), tenants.asked.slice(before)]
  expect(first.length).toBeLessThanOrEqual(33)
  // Only those whose answer was outstanding are asked twice.
  expect(second.filter(path => first.includes(path)).length).toBeLessThanOrEqual(4)
  expect(new Set(tenants.asked).size).toBe(60)
  expect(stderr.trim().split('\n')).toHaveLength(second.length)
})

test('a second import keeps what was changed by hand, with its comments, and asks only those that failed', async () => {
  await imports()
  const [one = '', two = ''] = files()
  const text = readFileSync(join(upstreams(), one), 'utf8')
  const edited = `${text.replace('our-app', 'their-own # they insist')}deadline: 60\n# ask for Dr. Nobody\n`
  writeFileSync(join(upstreams(), one), edited)
  rmSync(join(upstreams(), two))
  tenants.answers.delete(pathOf(31))
  tenants.asked.length = 0

  const dry = await imports('--dry-run')
  expect(readFileSync(join(upstreams(), one), 'utf8')).toBe(edited)
  const { code, stdout } = await imports()
  expect(code).toBe(0)
  expect(dry.stdout).toBe(`${stdout.trimEnd()}\nNothing was written.\n`)
  expect(tenants.asked.sort()).toEqual([...FAILING.keys(), ...FAILING.keys()].map(pathOf).sort())
  expect(readFileSync(join(upstreams(), one), 'utf8')).toBe(edited)
  expect(files()).not.toContain(two)
  expect(stdout).toMatch(/^kept +\S+: clientId is their-own by hand; the import has our-app$/m)
  expect(stdout).toMatch(
    /^changed +\S+: enabled was false \(The EHR is out of order.*\), is left out$/m,
  )
  expect(stdout).toContain('60 hospitals: 0 added, 1 changed, 58 as they were, 1 removed by hand')
})

test('what the list has no longer is told of, and removed if that is asked for', async () => {
  await imports()
  writeFileSync(
    join(folder, 'bundle.json'),
    JSON.stringify(bundleOf(hospitals.slice(2), tenants.origin)),
  )
  expect((await imports()).stdout.match(/^gone /gm)).toHaveLength(2)
  expect(files()).toHaveLength(60)
  const { stdout } = await imports('--remove-gone', '--json')
  expect(JSON.parse(stdout).gone).toMatchObject([{ isRemoved: true }, { isRemoved: true }])
  expect(files()).toHaveLength(58)
})

describe('the exit status', () => {
  const { '--client-id': _, ...anonymous } = OPTIONS
  test.each<[string, object, number, RegExp]>([
    [
      'of a list on a private host that nobody accepts',
      { ...OPTIONS, '--accept': 'other' },
      0,
      /60 entries passed over/,
    ],
    ['without a client ID', anonymous, 2, /--client-id/],
    [
      'of a folder that is a file',
      { ...OPTIONS, '--out': 'ca.pem' },
      1,
      /file_unreadable.*ENOTDIR/,
    ],
  ])('%s', async (__, options, code, expected) => {
    const ended = await run(BROKER_CLI, argsOf(options), { cwd: folder })
    expect(ended.code).toBe(code)
    expect(ended.stdout + ended.stderr).toMatch(expected)
    expect(tenants.asked).toEqual([])
  })

  test('of what is no Bundle is 1, and says why', async () => {
    writeFileSync(join(folder, 'bundle.json'), '<Bundle/>')
    const { code, stderr } = await imports()
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('bundle_refused; reason it is not JSON'),
    ])
  })

  test('with a file in disorder is 1, and names it and its line', async () => {
    mkdirSync(upstreams())
    writeFileSync(join(folder, 'upstreams', 'x.yaml'), '# mine\nfhirBase: 7\n')
    const { code, stderr } = await imports()
    expect(code).toBe(1)
    expect(stderr).toContain('upstreams/x.yaml line 2: /fhirBase')
  })
})

describe('killed at any change of a file it can be run again, and ends as if it had not been', () => {
  const few = hospitals.slice(0, 2)
  /** More changes to the file system than an import of two makes. */
  const MOST = 80

  /** The same import in this process. */
  async function goOn(cwd: string): Promise<void> {
    const ask = async (fhirBase: string) => ({
      tokenEndpoint: tenants.tokenEndpoint(new URL(fhirBase).pathname),
    })
    const given: Given = {
      ...{ clientId: 'our-app', environment: 'nonprod', profile: 'epic', ca: '../ca.pem' },
      scopes: ['system/Patient.read', 'system/Task.read'],
    }
    const request = {
      ...{ bundle: join(cwd, 'bundle.json'), folder: join(cwd, 'upstreams'), given },
      ...{ accepted: ['localhost'], again: false, dryRun: false, removeGone: false },
    }
    await importBundle(request, { ask, asked: () => {}, show: () => {} })
  }

  /** Whether it was killed at that change; false once it makes no so many. */
  async function killedAt(
    at: number,
    half: boolean,
    whole: Record<string, string>,
  ): Promise<boolean> {
    const cwd = mkdtempSync(join(tmpdir(), 'lockstep-import-'))
    cpSync(folder, cwd, { recursive: true })
    const out = join(cwd, 'upstreams')
    const { code, signal } = await run(BROKER_CLI, ARGS, {
      cwd,
      env: { KILL_AT: `${at}`, KILL_HALF: half ? '1' : '0', KILL_IN: '/broker/' },
      nodeOptions: ['--import', PRELOAD],
    })
    if (existsSync(out)) expect(readUpstreamFolder(out).complaints).toEqual([])
    if (signal === null) expect(code).toBe(0)
    else await goOn(cwd)
    for (const name of readdirSync(out).filter(each => each.startsWith('.lockstep-')))
      rmSync(join(out, name), { recursive: true })
    expect(tree(out)).toEqual(whole)
    rmSync(cwd, { recursive: true })
    return signal !== null
  }

  test.each([
    ['before each change', false, 30],
    ['in the middle of each write', true, 3],
  ])('%s', { timeout: 120_000 }, async (_, half, least) => {
    writeFileSync(join(folder, 'bundle.json'), JSON.stringify(bundleOf(few, tenants.origin)))
    await imports()
    const whole = tree()
    rmSync(upstreams(), { recursive: true })
    let steps = 0
    for (let at = 1; at <= MOST; at += 4) {
      const killed = await Promise.all([0, 1, 2, 3].map(more => killedAt(at + more, half, whole)))
      steps += killed.filter(Boolean).length
      if (killed.includes(false)) break
    }
    expect(steps).toBeGreaterThanOrEqual(least)
    expect(steps).toBeLessThan(MOST)
  })
})
