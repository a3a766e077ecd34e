import { describe, expect, test } from 'vitest'
import { judgeRepository } from '../../../keys-pipeline/github/repository-rules.ts'
import { type GitHubServer, githubForEach, type ServerFault } from '../../support/github-server.ts'
import { codes } from '../../support/keys.ts'
import { asItShouldBe } from '../../support/repository.ts'

const server = githubForEach()
const site = { baseUrl: 'https://keys.example.com', now: Date.UTC(2026, 10, 25) }
const judged = async (): Promise<string[]> => codes(await judgeRepository(server().open(), site))
const set = (more: Partial<GitHubServer> = {}) =>
  Object.assign(server(), asItShouldBe(site.baseUrl), more)

test('a repository as the manual asks for it is good', async () => {
  set()
  expect(await judged()).toEqual([])
})

test('a repository as GitHub makes it is told all at once', async () => {
  expect(await judged()).toEqual([
    ...['pages_missing', 'branch_unprotected', 'branch_review_missing', 'branch_owners_invalid'],
    'actions_not_pinned',
  ])
})

test.each<[string, Partial<GitHubServer>, string[]]>([
  ['a branch without rules', { rules: [] }, ['branch_unprotected', 'branch_review_missing']],
  ['actions by tag', { permissions: { enabled: true } }, ['actions_not_pinned']],
  ['a branch without owners', { owners: null }, ['branch_owners_invalid']],
  ['no site', { pages: null }, ['pages_missing']],
])('%s is named alone', async (_, more, named) => {
  set(more)
  expect(await judged()).toEqual(named)
})

describe('what cannot be asked is a finding, and the rest is asked all the same', () => {
  const no = { status: 403, body: { message: 'Resource not accessible by integration' } }
  test.each<[string, ServerFault, string[]]>([
    ['Pages', { ...no, at: /pages$/ }, ['github_refused']],
    ['the rules', { ...no, at: /rules\/branches/ }, ['github_refused']],
    ['the owners', { ...no, at: /codeowners/ }, ['branch_owners_invalid']],
    ['the pinning', { ...no, at: /permissions$/ }, ['actions_not_pinned']],
    ['the repository', { ...no, at: /keys$/ }, ['github_refused']],
    ['an outage of one', { status: 400, body: '<html>', at: /pages$/ }, ['github_failed']],
  ])('%s', async (_, fault, named) => {
    set()
    server().faults.push(fault)
    expect(await judged()).toEqual(named)
  })

  test('beside it the others are named', async () => {
    set({ rules: [] })
    server().faults.push({ ...no, at: /pages$/ })
    expect(await judged()).toEqual([
      ...['github_refused', 'branch_unprotected', 'branch_review_missing'],
    ])
  })

  test('a repository that is not there is one finding', async () => {
    const elsewhere = server().open({ repository: 'acme-health/other' })
    expect(codes(await judgeRepository(elsewhere, site))).toEqual(['github_not_found'])
  })
})
