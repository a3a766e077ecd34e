import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { BROKER_CLI, type Finished, run } from '../../support/processes.ts'
import { makeWorld, type World } from '../../support/world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld({
    upstreams: base => ({ epic: base, stranger: { ...base, clientId: 'nobody' } }),
  })
  // The command lives in real time.
  world.clock.advance((Date.now() - world.clock.now()) / 1000)
  configure(text => text.replace('folder: private', `$&\n    jwksUrl: ${world.jwksUrl}`))
  return () => world.close()
})

/** The config, with what a test changes in its text. */
function configure(change: (text: string) => string): void {
  const file = join(world.folder, 'broker.yaml')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

const diagnose = (...args: string[]): Promise<Finished> =>
  run(BROKER_CLI, ['diagnose', ...args], {
    cwd: world.folder,
    env: { NODE_EXTRA_CA_CERTS: join(world.folder, 'ca.pem') },
  })

const causesIn = ({ stdout }: Finished): string[] =>
  JSON.parse(stdout).causes.map((each: { code: string }) => each.code)

test('a healthy upstream: status 0, what was seen, and nothing of the token or the Patient', async () => {
  const { code, stdout, stderr } = await diagnose('epic', '--patient', 'x')
  expect(code).toBe(0)
  for (const seen of ['given', 'the signing key is there', 'the same', 'status 200', 'Nothing is'])
    expect(stdout).toContain(seen)
  expect(stdout + stderr).not.toMatch(/Lopez|Bearer|eyJ/)
  expect(stderr).toContain('asking for a token')
  expect(world.epic.log.map(each => each.reason)).toEqual(['granted'])
})

test('a refused one: status 1, and the true cause among the first two', async () => {
  const { code, stdout } = await diagnose('stranger')
  expect(code).toBe(1)
  expect(stdout).toMatch(/\n[12]\. client_id_wrong/)
  expect(Math.max(...stdout.split('\n').map(line => line.length))).toBeLessThanOrEqual(100)
  expect(world.epic.log.at(-1)?.reason).toBe('client_unknown')
})

test('as JSON: the same, for scripts', async () => {
  const finished = await diagnose('stranger', '--json')
  expect(finished.code).toBe(1)
  const { healthy, upstream, seen } = JSON.parse(finished.stdout)
  expect(healthy).toBe(false)
  expect(upstream).toMatchObject({ id: 'stranger', clientId: 'nobody' })
  expect(seen).toMatchObject({ set: { state: 'key_set', ours: { state: 'there' } } })
  expect(causesIn(finished).slice(0, 2)).toContain('client_id_wrong')
  expect(finished.stdout).not.toMatch(/CERTIFICATE|[^\n -~]/)
})

test('without asking for a token only faults that are seen are named', async () => {
  expect((await diagnose('stranger', '--no-token')).code).toBe(0)
  expect(world.epic.tokenRequests).toBe(0)
  configure(text => text.replace(/oauth2\/token/g, 'oauth2/Token'))
  const finished = await diagnose('epic', '--no-token', '--json')
  expect([finished.code, causesIn(finished)]).toEqual([1, ['endpoint_differs']])
})

test('what worked before is read from the audit file', async () => {
  await world.ask()
  const { stdout } = await diagnose('epic', '--no-token')
  expect(stdout).toMatch(/worked before {5}\d+ s ago, with kid/)
})

test('a set whose URL is not in the config is not looked at, and the report says how to change that', async () => {
  configure(text => text.replace(/jwksUrl: .*/, ''))
  const { stdout } = await diagnose('stranger')
  expect(stdout.match(/keys\.nonprod\.jwksUrl/g)).toHaveLength(3)
})

test('usage is 2, a config that is no good is 1', async () => {
  expect((await diagnose()).code).toBe(2)
  const unknown = await diagnose('nobody')
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('epic, stranger')])
  configure(text => text.replace('nonprod', 'nonpro'))
  expect(await diagnose('epic')).toMatchObject({
    ...{ code: 1, stdout: '', stderr: expect.stringContaining('/keys/nonpro') },
  })
  expect((await diagnose('epic', '--config', 'nowhere.yaml')).code).toBe(1)
})
