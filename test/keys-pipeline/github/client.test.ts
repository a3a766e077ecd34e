import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { PipelineError } from '../../../keys-pipeline/errors.ts'
import { type GitHubOptions, openGitHub } from '../../../keys-pipeline/github/client.ts'
import {
  githubForEach,
  REPOSITORY,
  type ServerFault,
  UNPACED,
} from '../../support/github-server.ts'
import { freePort } from '../../support/processes.ts'

const server = githubForEach()
const TOKEN = 'ghp_CANARY0123456789abcdef'

const getRepository = (options: Partial<GitHubOptions> = {}) => {
  const { octokit, owner, repo } = server().open(options)
  return octokit.rest.repos.get({ owner, repo })
}

const failing = (options: Partial<GitHubOptions> = {}): Promise<PipelineError> =>
  getRepository(options).then(
    () => expect.unreachable('it went well'),
    error => error,
  )

describe('a repository', () => {
  test.each(['acme-health/keys', 'a/b', 'octo_corp/x.y-z_1', '0-0/.github'])(
    'named %s is taken',
    repository => {
      const [owner, repo] = repository.split('/')
      expect(openGitHub({ repository })).toMatchObject({ owner, repo, repository })
    },
  )

  test.each([
    ['nothing', ''],
    ['one word', 'keys'],
    ['three words', 'a/b/c'],
    ['no owner', '/keys'],
    ['no name', 'acme/'],
    ['a way up', 'acme/..'],
    ['a way nowhere', 'acme/.'],
    ['an owner that is a way up', '../keys'],
    ['a URL', 'https://github.com/acme/keys'],
    ['a query', 'acme/keys?x=1'],
    ['a fragment', 'acme/keys#x'],
    ['an escape', 'acme/keys%2f..'],
    ['a space', 'acme/ke ys'],
    ['a newline', 'acme/keys\n'],
    ['another alphabet', 'аcme/keys'],
    ['a template', '{owner}/{repo}'],
    ['more than a name may have', `acme/${'a'.repeat(101)}`],
  ])('named by %s is refused', (_, repository) => {
    expect(() => openGitHub({ repository })).toThrowError(
      expect.objectContaining({ code: 'github_not_found' }),
    )
  })
})

test.each([
  ['empty', ''],
  ['with a newline', `${TOKEN}\n`],
  ['with a header after it', `${TOKEN}\r\nX-A: b`],
  ['with a space', `Bearer ${TOKEN}`],
  ['of another alphabet', `${TOKEN}ä`],
])('a token that is %s is refused, and not repeated', (_, token) => {
  try {
    openGitHub({ repository: REPOSITORY, token })
    expect.unreachable('it was taken')
  } catch (error) {
    expect(error).toMatchObject({ code: 'github_refused' })
    expect(inspect(error, { depth: 9 })).not.toContain('CANARY')
  }
})

test('the token goes to GitHub, and without one nobody signs in', async () => {
  await getRepository({ token: TOKEN })
  await getRepository()
  expect(server().requests.map(({ authorization }) => authorization)).toEqual([
    `token ${TOKEN}`,
    undefined,
  ])
})

test('each attempt says who asks, has an end, and follows no redirect', async () => {
  const seen: RequestInit[] = []
  await getRepository({
    fetch: (url, init) => {
      seen.push(init ?? {})
      return fetch(url, init)
    },
  })
  expect(seen).toEqual([
    expect.objectContaining({ redirect: 'manual', signal: expect.any(AbortSignal) }),
  ])
  expect(seen[0]?.headers).toMatchObject({ 'user-agent': expect.stringMatching(/^lockstep /) })
})

describe('what passes is tried again', () => {
  test.each<[string, ServerFault]>([
    ['500', { status: 500, body: { message: 'Server Error' } }],
    ['502 in HTML', { status: 502, body: '<html>Bad Gateway</html>' }],
    ['a broken connection', { status: 0 }],
  ])('%s', async (_, fault) => {
    server().faults.push(fault, fault)
    expect((await getRepository()).data.full_name).toBe(REPOSITORY)
    expect(server().requests).toHaveLength(3)
  })

  test('but not for ever', async () => {
    server().faults.push(...Array.from({ length: 9 }, () => ({ status: 500 })))
    expect((await failing()).code).toBe('github_failed')
    expect(server().requests).toHaveLength(4)
  })
})

/** As GitHub limits: by the hour, or because too much came at once. */
const primary = (seconds: number): ServerFault => ({
  status: 403,
  body: { message: 'API rate limit exceeded for user ID 1.' },
  headers: {
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': `${Math.floor(Date.now() / 1000) + seconds}`,
  },
})
const secondary = (seconds: number, status = 403): ServerFault => ({
  status,
  body: { message: 'You have exceeded a secondary rate limit.' },
  headers: { 'retry-after': `${seconds}` },
})

describe('a limit', () => {
  test.each([
    ['by the hour', primary(5)],
    ['for too much at once', secondary(5)],
    ['for too much at once, as 429', secondary(5, 429)],
  ])('%s is waited for, twice at most', async (_, fault) => {
    server().faults.push(fault, fault)
    expect((await getRepository()).status).toBe(200)
    server().faults.push(fault, fault, fault)
    expect(await failing()).toMatchObject({
      code: 'github_failed',
      message: expect.stringContaining('rate limit'),
    })
    expect(server().requests).toHaveLength(6)
  })

  test.each([
    ['by the hour', primary(3000)],
    ['for too much at once', secondary(3000)],
    ['that says no more than 429', { status: 429, body: '<html>Too many</html>' }],
  ])('%s that lasts longer than a job is not waited for', async (_, fault) => {
    server().faults.push(fault)
    expect(await failing()).toMatchObject({ code: 'github_failed' })
    expect(server().requests).toHaveLength(1)
  })
})

const html = (status: number): ServerFault => ({ status, body: `<html>${TOKEN}</html>` })
const json = (status: number): ServerFault => ({ status, body: { message: `no ${TOKEN}` } })

/** Whatever stands between may repeat what it was sent. */
const FAILURES: [string, ServerFault, string][] = [
  ['a token that is not known', json(401), 'github_refused'],
  ['a token that may not', json(403), 'github_refused'],
  ['nothing there', json(404), 'github_not_found'],
  ['gone', json(410), 'github_failed'],
  ['somebody who was first', json(409), 'github_rejected'],
  ['a rule against it', json(422), 'github_rejected'],
  ['legal reasons', json(451), 'github_failed'],
  ['a teapot', html(418), 'github_failed'],
  ['a page in its place', html(200), 'github_failed'],
  ['a page that says no', html(403), 'github_refused'],
  ['an error of its own', json(500), 'github_failed'],
  ['a gateway', html(502), 'github_failed'],
  [
    'a move',
    { ...json(301), headers: { location: `https://a.invalid/${TOKEN}` } },
    'github_failed',
  ],
  ['nothing', { status: 204 }, 'github_failed'],
  [
    'half a document',
    { status: 200, body: `{"a":"${TOKEN}`, headers: { 'content-type': 'application/json' } },
    'github_failed',
  ],
  ['a type that is none', { ...html(200), headers: { 'content-type': ';;' } }, 'github_failed'],
  ['a number for a message', { status: 404, body: { message: 7 } as object }, 'github_not_found'],
  ['a broken connection', { status: 0 }, 'github_unreachable'],
]

describe('a failure is one of few, and the token is in none', () => {
  test.each(FAILURES)('%s', async (_, fault, code) => {
    const outputs = ['error', 'warn', 'info', 'log', 'debug'] as const
    const spies = outputs.map(name => vi.spyOn(console, name))
    server().faults.push(...Array.from({ length: 4 }, () => fault))
    const error = await failing({ token: TOKEN })
    expect(error).toBeInstanceOf(PipelineError)
    expect(error.code).toBe(code)
    expect(error.findings[0]?.file).toBe(REPOSITORY)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('CANARY')
    expect(error.stack).not.toContain('CANARY')
    expect(spies.flatMap(spy => spy.mock.calls)).toEqual([])
    vi.restoreAllMocks()
    server().violations.splice(0)
  })

  test('a server that is not there', async () => {
    const options = {
      baseUrl: `http://127.0.0.1:${await freePort()}`,
      token: TOKEN,
      pacing: UNPACED,
    }
    const { octokit, owner, repo } = openGitHub({ repository: REPOSITORY, ...options })
    await expect(octokit.rest.repos.get({ owner, repo })).rejects.toMatchObject({
      code: 'github_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('an answer that does not come', async () => {
    const fetch = () => Promise.reject(new DOMException('The operation timed out', 'TimeoutError'))
    expect(await failing({ fetch })).toMatchObject({
      code: 'github_unreachable',
      message: expect.stringContaining('no answer in time'),
    })
  })

  test('what lies after the first page of a list', async () => {
    const { octokit, owner, repo } = server().open({ token: TOKEN })
    server().rules = Array.from({ length: 3 }, () => ({
      type: 'deletion',
      ruleset_source_type: 'Repository',
      ruleset_source: REPOSITORY,
      ruleset_id: 1,
    }))
    server().faults.push({ status: 404, body: { message: 'Not Found' }, at: /never/ })
    const pages = octokit.paginate.iterator(octokit.rest.repos.getBranchRules, {
      owner,
      repo,
      branch: 'main',
      per_page: 2,
    })
    const all = pages[Symbol.asyncIterator]()
    await all.next()
    server().faults.unshift({ status: 403, body: { message: 'no' } })
    await expect(all.next()).rejects.toMatchObject({
      code: 'github_refused',
      message: expect.stringContaining(`GET /repos/${REPOSITORY}/rules/branches/main: 403 no`),
    })
  })
})
