import { beforeEach, describe, expect, test } from 'vitest'
import { serializeKeySet } from '../../../keys-pipeline/key-set.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { ecJwk, fill, folderWith, published } from '../../support/keys.ts'
import { Pages, pack } from '../../support/pages.ts'
import { KEYS_CLI, run } from '../../support/processes.ts'
import { asItShouldBe } from '../../support/repository.ts'

const SET = 'nonprod/.well-known/jwks.json'
const HOUR = 60 * 60 * 1000
const key = (which: number) => published(ecJwk('P-256', which))
const server = githubForEach()
let pages: Pages
let folder: string
let settings: string

beforeEach(async () => {
  const authority = await makeAuthority()
  pages = await new Pages(await authority.issue(), Date.now).start()
  settings = [
    `baseUrl: ${pages.url}`,
    `environments: { production: { path: .well-known/jwks.json }, nonprod: { path: ${SET} } }`,
    'guard: { live: 1200, retired: 1500 }',
  ].join('\n')
  folder = folderWith({ 'ca.pem': authority.ca, 'publisher.yaml': settings })
  Object.assign(server(), asItShouldBe(pages.url))
  return () => pages.stop()
})

/** These keys come onto main, and into the checkout. */
function commit(keys: number[], { hours = 0 } = {}): string {
  const names = keys.map(each => [`nonprod/${each}.json`, JSON.stringify(key(each).jwk)] as const)
  fill(folder, Object.fromEntries(names.map(([name, text]) => [`keys/${name}`, text])))
  return server().git.commit(
    {
      'keys-pipeline/publisher.yaml': settings,
      ...Object.fromEntries(names.map(([name, text]) => [`keys-pipeline/keys/${name}`, text])),
    },
    { at: Date.now() - hours * HOUR },
  )
}

/** The world has these keys. */
const serve = (keys: number[]): void =>
  pages.deploy(
    pack(folderWith({ [SET]: serializeKeySet(keys.map(key)) }), { includeHiddenFiles: true }),
  )

/** GitHub has it that this commit was deployed. */
function record(sha: string): void {
  server().deployments.unshift({
    ...{ id: server().deployments.length + 1, sha, environment: 'github-pages' },
    statuses: [{ state: 'success', created_at: '2026-11-25T12:00:00Z' }],
  })
}

async function watch() {
  const at = ['--keys', 'keys', '--settings', 'publisher.yaml', '--ca', 'ca.pem']
  const { code, stdout, stderr } = await run(
    KEYS_CLI,
    ['github', 'watch', ...at, '--deadline', '0', '--json'],
    {
      cwd: folder,
      env: { GITHUB_API_URL: server().url, GITHUB_REPOSITORY: REPOSITORY, GITHUB_TOKEN: 'x' },
    },
  )
  const { deployed, faults = [], deeds = [], findings } = JSON.parse(stdout)
  const codesOf = (all: { code: string }[]) => all.map(each => each.code)
  const did = deeds.map((each: { did: string }) => each.did)
  return { code, deployed, faults: codesOf(faults), did, failed: codesOf(findings), stderr }
}

describe('between a merge and its deployment', () => {
  test('what was deployed is what the world should have, whatever main has by now', async () => {
    const sha = commit([1], { hours: 9 })
    record(sha)
    serve([1])
    commit([1, 2])
    expect(await watch()).toMatchObject({ code: 0, deployed: sha, faults: [], did: [] })
  })

  test('a deployment that ends during the look is no fault', async () => {
    record(commit([1], { hours: 9 }))
    const next = commit([1, 2])
    serve([1, 2])
    pages.meddle = answer => {
      if (server().deployments.length === 1) record(next)
      return answer
    }
    expect(await watch()).toMatchObject({ code: 0, deployed: next, faults: [] })
  })

  test('keys that wait for over an hour are, until they are deployed', async () => {
    record(commit([1], { hours: 9 }))
    serve([1])
    const next = commit([1, 2], { hours: 2 })
    expect(await watch()).toMatchObject({ faults: ['deployment_behind'], did: ['opened'] })
    expect(await watch()).toMatchObject({ faults: ['deployment_behind'], did: ['left'] })
    record(next)
    serve([1, 2])
    expect(await watch()).toMatchObject({ code: 0, faults: [], did: ['closed'] })
  })
})

test('a world that has other keys than what was deployed is a fault, though main has them too', async () => {
  record(commit([1], { hours: 9 }))
  commit([1, 2])
  serve([1, 2])
  expect(await watch()).toMatchObject({
    ...{ code: 0, faults: ['live_stale_origin'], did: ['opened'], failed: [] },
  })
})

describe('without a deployment that can be seen, the checkout is what the world should have, aloud', () => {
  const no = { status: 403, body: { message: 'Resource not accessible by integration' } }
  test.each([
    ['there was none', () => {}],
    ['the token may not see it', () => server().faults.push({ ...no, at: /deployments$/ })],
  ])('%s', async (_, arrange) => {
    commit([1])
    serve([1])
    arrange()
    const seen = await watch()
    expect(seen).toMatchObject({ code: 0, deployed: null, faults: [], failed: [] })
    expect(seen.stderr).toContain('checkout')
  })

  test('and what differs from it is a fault', async () => {
    commit([1, 2])
    serve([1])
    expect(await watch()).toMatchObject({ deployed: null, faults: ['live_stale_origin'] })
  })
})

test.each([
  ['deployments', /deployments$/],
  ['main', /\/compare\//],
])('a look at %s that fails makes the run red, and touches no issue', async (_, at) => {
  record(commit([1], { hours: 9 }))
  serve([1])
  commit([1, 2], { hours: 2 })
  expect((await watch()).did).toEqual(['opened'])
  const before = server().writes().length
  server().faults.push({ status: 400, body: '<html>', at })
  expect(await watch()).toMatchObject({ code: 1, failed: ['github_failed'] })
  expect(server().writes()).toHaveLength(before)
})
