import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { serializeKeySet } from '../../../keys-pipeline/key-set.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { ecJwk, fill, folderWith, published } from '../../support/keys.ts'
import { Pages, pack } from '../../support/pages.ts'
import { KEYS_CLI, PROJECT, run } from '../../support/processes.ts'
import { asItShouldBe } from '../../support/repository.ts'

const PATH = 'nonprod/.well-known/jwks.json'
const server = githubForEach()
let folder: string
let pages: Pages
let settings: string

const key = (which: number) => published({ ...ecJwk('P-256', which), kid: `kid-${which}` })
const textOf = (which: number): string => JSON.stringify(key(which).jwk)
/** What the world sees. */
const live = (which: number): void =>
  pages.deploy(
    pack(folderWith({ [PATH]: serializeKeySet([key(which)]) }), { includeHiddenFiles: true }),
  )
/** What main has since so many minutes; the checkout of the watch has it too. */
function commit(which: number, minutes: number): string {
  fill(folder, { 'keys/nonprod/a.json': textOf(which) })
  const files = {
    'keys-pipeline/publisher.yaml': settings,
    'keys-pipeline/keys/nonprod/a.json': textOf(which),
  }
  return server().git.commit(files, { at: Date.now() - minutes * 60_000 })
}
function deployed(sha: string): void {
  server().deployments.unshift({
    ...{ id: server().deployments.length + 1, sha, environment: 'github-pages' },
    statuses: [{ state: 'success', created_at: '2026-11-25T00:00:00Z' }],
  })
}

beforeEach(async () => {
  const authority = await makeAuthority()
  pages = await new Pages(await authority.issue(), Date.now).start()
  onTestFinished(() => pages.stop())
  settings = readFileSync(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), 'utf8').replace(
    'https://keys.example.com',
    pages.url,
  )
  folder = folderWith({ 'ca.pem': authority.ca, 'publisher.yaml': settings })
  Object.assign(server(), asItShouldBe(pages.url), { now: Date.now() })
})

async function watch() {
  const args = ['--keys', 'keys', '--settings', 'publisher.yaml', '--ca', 'ca.pem']
  const { code, stdout } = await run(
    KEYS_CLI,
    ['github', 'watch', ...args, '--deadline', '1', '--json'],
    {
      cwd: folder,
      env: { GITHUB_API_URL: server().url, GITHUB_REPOSITORY: REPOSITORY, GITHUB_TOKEN: 'x' },
    },
  )
  const told: { faults: { code: string }[]; deeds: { did: string }[] } = JSON.parse(stdout)
  return {
    code,
    faults: told.faults.map(each => each.code),
    deeds: told.deeds.map(each => each.did),
  }
}

test('what was deployed and is live is good, though main has moved on a moment ago', async () => {
  deployed(commit(0, 600))
  commit(1, 5)
  live(0)
  expect(await watch()).toEqual({ code: 0, faults: [], deeds: [] })
})

test('main that waits for an hour to be deployed gets one issue, which ends with the deployment', async () => {
  deployed(commit(0, 600))
  const next = commit(1, 90)
  live(0)
  expect(await watch()).toEqual({ code: 0, faults: ['deployment_behind'], deeds: ['opened'] })
  expect(await watch()).toMatchObject({ deeds: ['left'] })
  deployed(next)
  live(1)
  expect(await watch()).toEqual({ code: 0, faults: [], deeds: ['closed'] })
})

test('a world that has not what was deployed is a fault, though it is what main has', async () => {
  deployed(commit(0, 600))
  commit(1, 5)
  live(1)
  expect(await watch()).toMatchObject({ faults: ['live_stale_origin'], deeds: ['opened'] })
})

test('without a known deployment the checkout is what the world should have', async () => {
  commit(0, 600)
  live(0)
  expect(await watch()).toMatchObject({ faults: [] })
  live(1)
  expect(await watch()).toMatchObject({ faults: ['live_stale_origin'] })
})

test('a deployment that ends while the world is asked is no fault', async () => {
  deployed(commit(0, 600))
  const next = commit(1, 5)
  live(1)
  pages.meddle = answer => {
    if (server().deployments.length === 1) deployed(next)
    return answer
  }
  expect(await watch()).toMatchObject({ faults: [] })
})

test('nothing published, nothing deployed: nothing to watch but Pages', async () => {
  server().pages = null
  fill(folder, { 'keys/nonprod/.gitkeep': '' })
  expect(await watch()).toMatchObject({ faults: ['pages_missing'] })
})

test.each(['soon', '-1', '1e9', ''])('a deadline of %j is a fault of usage', async deadline => {
  const args = ['github', 'watch', '--repository', REPOSITORY, '--deadline', deadline]
  const { code, stdout } = await run(KEYS_CLI, args, {
    cwd: folder,
    env: { GITHUB_API_URL: server().url, GITHUB_TOKEN: 'x' },
  })
  expect([code, stdout]).toEqual([2, ''])
})
