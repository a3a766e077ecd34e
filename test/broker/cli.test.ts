import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { BROKER_CLI, run, runUnheard } from '../support/processes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const broker = (...args: string[]) => run(BROKER_CLI, args, { cwd: folder })

test('service-secret shows a secret of 256 bits and the hash that the config takes', async () => {
  const { code, stdout } = await broker('service-secret', '--json')
  const { secret, secretSha256 } = JSON.parse(stdout)
  expect(code).toBe(0)
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  expect(secretSha256).toBe(secretHash(secret))
})

test('two secrets are never the same', async () => {
  const made = await Promise.all([
    broker('service-secret', '--json'),
    broker('service-secret', '--json'),
  ])
  expect(new Set(made.map(each => each.stdout)).size).toBe(2)
})

test('init writes a config for its owner alone, which holds the hash and never the secret', async () => {
  const { code, stdout } = await broker('init', '--sandbox', 'epic')
  const text = readFileSync(join(folder, 'broker.yaml'), 'utf8')
  const secret = /secret (\S{43})/.exec(stdout)?.[1] ?? 'missing'
  expect(code).toBe(0)
  expect(statSync(join(folder, 'broker.yaml')).mode & 0o777).toBe(0o600)
  expect(text).toContain(secretHash(secret))
  expect(text).not.toContain(secret)
  expect(text).toContain('https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token')
})

test('init keeps a config that is there', async () => {
  writeFileSync(join(folder, 'broker.yaml'), 'mine')
  expect((await broker('init')).code).toBe(1)
  expect(readFileSync(join(folder, 'broker.yaml'), 'utf8')).toBe('mine')
})

test('usage is 2, help is 0', async () => {
  const codes = await Promise.all(
    [[], ['nonsense'], ['init', '--sandbox', 'nowhere'], ['--help'], ['init', '--help']].map(
      async args => (await broker(...args)).code,
    ),
  )
  expect(codes).toEqual([2, 2, 2, 0, 0])
})

test('a reader that has had enough ends nothing, and is told of no stack', async () => {
  expect(await runUnheard(BROKER_CLI, ['--help'])).toMatchObject({ code: 0, stderr: '' })
})
