import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { serializeKeySet } from '../../../keys-pipeline/key-set.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { folderWith, privateJwk, published, rsaJwk } from '../../support/keys.ts'
import { Pages, pack } from '../../support/pages.ts'
import { type Finished, KEYS_CLI, PROJECT, run } from '../../support/processes.ts'

const PATH = 'nonprod/.well-known/jwks.json'
let folder: string
let pages: Pages
/** As the command names what it is given, in a folder where the keys and the settings of a company lie. */
let doctor: (...args: string[]) => Promise<Finished>

beforeEach(async () => {
  const authority = await makeAuthority()
  pages = await new Pages(await authority.issue(), Date.now).start()
  onTestFinished(() => pages.stop())
  const settings = readFileSync(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), 'utf8')
  folder = folderWith({
    ...{ 'ca.pem': authority.ca, 'keys/nonprod/a.json': { ...rsaJwk(), kid: 'mine' } },
    'publisher.yaml': settings.replace('https://keys.example.com', pages.url),
    ...{ 'mine.json': privateJwk(0), 'other.json': privateJwk(1) },
  })
  publish(serializeKeySet([published({ ...rsaJwk(), kid: 'mine' })]))
  const here = ['--keys', 'keys', '--settings', 'publisher.yaml', '--ca', 'ca.pem']
  doctor = (...args) =>
    run(KEYS_CLI, ['doctor', ...args, ...here, '--address', '127.0.0.1'], { cwd: folder })
})

const publish = (text: string): void =>
  pages.deploy(pack(folderWith({ [PATH]: text }), { includeHiddenFiles: true }))
const badIn = ({ stdout }: Finished): string[] =>
  JSON.parse(stdout).examined.flatMap((each: { remarks: { level: string; code: string }[] }) =>
    each.remarks.filter(({ level }) => level === 'bad').map(({ code }) => code),
  )

test('without a URL it looks at those that publish, beside their keys, and exits 0', async () => {
  const ended = await doctor('--json')
  const { examined, checklist } = JSON.parse(ended.stdout)
  expect(ended.code).toBe(0)
  expect(examined).toMatchObject([{ url: `${pages.url}/${PATH}`, environment: 'nonprod' }])
  expect(checklist.length).toBeGreaterThan(8)
  expect(examined[0].remarks.map((each: { check: string }) => each.check)).toContain('repository')
})

test('a URL of nobody is looked at alone', async () => {
  const ended = await doctor(`${pages.url}/nowhere.json`, '--json')
  expect([ended.code, badIn(ended)]).toEqual([1, ['not_found']])
  expect(JSON.parse(ended.stdout).examined[0].environment).toBeNull()
})

test('an environment that is named is what a URL of nobody is compared with', async () => {
  publish(serializeKeySet([published({ ...rsaJwk(1), kid: 'theirs' })]))
  const ended = await doctor(`${pages.url}/${PATH}`, '--environment', 'nonprod', '--json')
  expect([ended.code, badIn(ended)]).toEqual([1, ['keys_missing', 'keys_extra']])
})

test('the private key is found by its thumbprint, and nothing of it is shown', async () => {
  const mine = await doctor('--private-key', 'mine.json')
  const other = await doctor('--private-key', 'other.json', '--json')
  expect([mine.code, badIn(other)]).toEqual([0, ['private_key_not_published']])
  const { d, p, q } = privateJwk(0)
  for (const secret of [d, p, q]) expect(mine.stdout + mine.stderr).not.toContain(secret)
})

test('in a terminal it says why, what to do, and what no probe can see; progress goes beside', async () => {
  pages.meddle = answer => ({ ...answer, status: 503 })
  const { code, stdout, stderr } = await doctor()
  expect(code).toBe(1)
  expect(stdout).toContain('server_error')
  expect(stdout).toContain('What no probe can see')
  expect(stderr).toContain('asking localhost')
})

test('GitHub shows what is bad beside the run', async () => {
  pages.meddle = answer => ({ ...answer, status: 503 })
  const args = ['doctor', `${pages.url}/${PATH}`, '--address', '127.0.0.1', '--ca', 'ca.pem']
  const ended = await run(KEYS_CLI, args, { cwd: folder, env: { GITHUB_ACTIONS: 'true' } })
  expect(ended.stderr).toContain('title=server_error')
})

test.each([
  ['not-a-url'],
  ['ftp://x/y'],
  ['file:///etc/passwd'],
  ['--ehr', 'nobody'],
  ['--deadline', '0'],
  ['--environment', 'staging'],
])('%s %s is a fault of usage', async (...args) => {
  const ended = await doctor(...args)
  expect([ended.code, ended.stdout]).toEqual([2, ''])
})

test('keys that would not be published are refused before anything is asked', async () => {
  writeFileSync(join(folder, 'keys', 'nonprod', 'b.json'), JSON.stringify(privateJwk(1)))
  const ended = await doctor('--json')
  expect([ended.code, JSON.parse(ended.stdout).findings[0].code]).toEqual([1, 'private_member'])
})
