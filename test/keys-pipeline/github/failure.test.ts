import { expect, test } from 'vitest'
import { finding, PipelineError } from '../../../keys-pipeline/errors.ts'
import {
  isHidden,
  isMissing,
  isRejected,
  toFailure,
} from '../../../keys-pipeline/github/failure.ts'

const at = (path: string, method = 'GET') => ({ method, path: `/repos/acme/keys${path}` })
const answer = (status: number, message = '', headers = {}) => ({
  status,
  response: { data: { message }, headers },
})
const judged = (error: unknown, call = at('')) => toFailure(error, 'acme/keys', call, 'SECRET')

test.each([
  ['/pages', 'GET', 'Pages: read'],
  ['/issues', 'GET', 'Issues: read'],
  ['/issues/7/comments', 'POST', 'Issues: write'],
  ['/pulls', 'POST', 'Pull requests: write'],
  ['/deployments/1/statuses', 'GET', 'Deployments: read'],
  ['/git/trees', 'POST', 'Contents: write'],
  ['/compare/a...b', 'GET', 'Contents: read'],
  ['/codeowners/errors', 'GET', 'Contents: read'],
  ['/branches/main/protection', 'GET', 'Administration: read'],
  ['/branches/a%2Fb/protection', 'GET', 'Administration: read'],
  ['/actions/permissions', 'GET', 'Administration: read'],
  ['/rules/branches/pages', 'GET', 'Metadata: read'],
  ['', 'GET', 'Metadata: read'],
])('a token that may not %s %s is told what it needs', (path, method, needed) => {
  expect(judged(answer(403), at(path, method))).toMatchObject({
    code: 'github_refused',
    message: expect.stringContaining(`needed: ${needed})`),
  })
})

test.each([
  ['a header', answer(403, 'Forbidden', { 'retry-after': '3' })],
  ['what is left', answer(403, '', { 'x-ratelimit-remaining': '0' })],
  ['the words', answer(403, 'You have exceeded a secondary rate limit')],
  ['the status', answer(429)],
])('asking too often is told from not being allowed, by %s', (_, error) => {
  expect(judged(error).code).toBe('github_failed')
})

test.each<[string, unknown]>([
  ['text', 'SECRET'],
  ['nothing', undefined],
  ['null', null],
  ['an error that quotes a header', new TypeError('"token SECRET" is an invalid header value')],
  ['an error in an error', new Error('SECRET', { cause: new Error('SECRET') })],
  ['an error that is its own cause', Object.assign(new Error('SECRET'), { cause: 'SECRET' })],
  ['a code that is no code', Object.assign(new Error(''), { code: 'SECRET now' })],
])('whatever is thrown, %s too, is unreachable and says nothing of it', (_, thrown) => {
  const error = judged(thrown)
  expect(error.code).toBe('github_unreachable')
  expect(JSON.stringify(error.findings)).not.toContain('SECRET')
})

test('an error that runs in a circle has an end', () => {
  const error = new Error('a')
  error.cause = error
  expect(judged(error).code).toBe('github_unreachable')
})

test('what GitHub says is shown in part, harmless, and without the token', () => {
  const { message } = judged(answer(422, `\u001b[2J SECRET ${'x'.repeat(5000)}`))
  expect(message).toContain('\\u001b[2J [token] xxx')
  expect(message.length).toBeLessThan(400)
})

test('is missing only where GitHub says 404', () => {
  expect(isMissing(judged(answer(404)))).toBe(true)
  expect(isMissing(judged(answer(403)))).toBe(false)
  expect(isMissing(Object.assign(new Error(), { code: 'github_not_found' }))).toBe(false)
})

test('is rejected where GitHub says 409 or 422, and at no other time', () => {
  const statuses = [400, 401, 403, 404, 409, 422, 429, 500]
  expect(statuses.filter(status => isRejected(judged(answer(status))))).toEqual([409, 422])
})

test('an error of ours goes through as it is', () => {
  const ours = new PipelineError(finding('github_failed', 'a', 'b'))
  expect(judged(ours)).toBe(ours)
})

test('hidden is what the token may not see, and what is not there; an outage is neither', () => {
  for (const status of [401, 403, 404]) expect(isHidden(judged(answer(status)))).toBe(true)
  const others = [answer(429), answer(500), answer(422), new Error('x')]
  for (const error of others) expect(isHidden(judged(error))).toBe(false)
  expect(isHidden(new Error('x'))).toBe(false)
})
