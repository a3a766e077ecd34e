import { expect, test } from 'vitest'
import { GitHubServer, REPOSITORY } from '../../support/github-server.ts'
import { operationOf } from '../../vectors/github/contract.ts'

const named = (method: string, path: string) => {
  const found = operationOf(method, path)
  if (found === null) throw new Error(`${method} ${path} is not described`)
  return found
}
const issues = () => named('POST', `/repos/${REPOSITORY}/issues`)
const none = new URLSearchParams()

test.each([
  ['a path that GitHub does not have', 'GET', `/repos/${REPOSITORY}/page`],
  ['a method that the path does not have', 'DELETE', `/repos/${REPOSITORY}/pages`],
  ['a path that is not in the fixture', 'GET', '/orgs/acme-health'],
])('%s is not described', (_, method, path) => {
  expect(operationOf(method, path)).toBeNull()
})

test.each([
  ['an unknown member', { title: 'a', text: 'b' }],
  ['a member that is missing', { body: 'a' }],
  ['a member of another type', { title: 'a', labels: 'b' }],
  ['no body', undefined],
])('a body with %s is a violation', (_, body) => {
  expect(issues().judgeRequest(none, body)).not.toEqual([])
  expect(issues().judgeRequest(none, { title: 'a', labels: ['b'] })).toEqual([])
})

test.each([
  ['of an unknown name', 'stat=open'],
  ['with a value that is none of those there are', 'state=opened'],
  ['of another type', 'per_page=many'],
])('a query %s is a violation', (_, query) => {
  const list = named('GET', `/repos/${REPOSITORY}/issues`)
  expect(list.judgeRequest(new URLSearchParams(query), undefined)).not.toEqual([])
  expect(list.judgeRequest(new URLSearchParams('state=open&per_page=5'), undefined)).toEqual([])
})

test('a reply is held to the schema of its status, and a status to the list of them', () => {
  const pages = named('GET', `/repos/${REPOSITORY}/pages`)
  const page = pages.fill(200, { public: true }) as object
  expect(pages.judgeReply(200, page)).toEqual([])
  expect(pages.judgeReply(200, { ...page, public: 'yes' })).not.toEqual([])
  expect(pages.judgeReply(200, { ...page, build_type: 'jekyll' })).not.toEqual([])
  expect(pages.judgeReply(200, { ...page, build_type: null })).toEqual([])
  expect(pages.judgeReply(418, page)).not.toEqual([])
})

test('the server counts what it was asked for against the description', async () => {
  const server = await new GitHubServer().start()
  const ask = (path: string) => fetch(`${server.url}${path}`)
  await ask(`/repos/${REPOSITORY}`)
  expect(server.violations).toEqual([])
  await ask(`/repos/${REPOSITORY}/deployments?environments=github-pages`)
  await ask('/nowhere')
  server.faults.push({ status: 404, body: { message: 1 } })
  await ask(`/repos/${REPOSITORY}/pages`)
  server.rules.push({ type: 'no_such_rule' })
  await ask(`/repos/${REPOSITORY}/rules/branches/main`)
  await server.stop()
  expect(server.violations).toEqual(
    expect.arrayContaining([
      expect.stringContaining('environments'),
      'GET /nowhere is not described',
      expect.stringMatching(/pages 404 \/message/),
      expect.stringMatching(/rules\/branches\/\{branch\} 200/),
    ]),
  )
})
