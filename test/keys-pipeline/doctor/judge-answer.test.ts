import { describe, expect, test } from 'vitest'
import type { Answers } from '../../../keys-pipeline/doctor/evidence.ts'
import { isAnswer, judgeAnswers } from '../../../keys-pipeline/doctor/judge-answer.ts'
import type { Look } from '../../../keys-pipeline/published.ts'

const look = (more: Partial<Look> = {}): Look => ({
  ...{ url: 'https://keys.example.com/jwks.json', failure: null, status: 200, took: 10 },
  headers: {
    ...{ 'content-type': 'application/json', 'cache-control': 'max-age=600' },
    'access-control-allow-origin': '*',
  },
  ...{ body: Buffer.from('{"keys":[]}'), ...more },
})
const answers = (first: Look, more: Partial<Answers> = {}): Answers => ({
  ...{ first, again: [first, first, first], fresh: first, anonymous: first, browser: first },
  ...{ elsewhere: new Map(), ...more },
})
const codes = (all: Answers): string[] => judgeAnswers(all).flatMap(each => each.code ?? [])

test('a good answer has a line for each of its checks', () => {
  expect(judgeAnswers(answers(look())).map(each => [each.check, each.level])).toEqual(
    ['answer', 'steady', 'time', 'type', 'caching', 'cors'].map(check => [check, 'good']),
  )
})

describe('a redirect is told from a sign-in by where it leads', () => {
  test.each([
    ['/keys/jwks.json', 'redirected'],
    ['https://www.keys.example.com/jwks.json', 'redirected'],
    ['https://author.example.com/designing.json', 'redirected'],
    [undefined, 'redirected'],
    ['http://[', 'redirected'],
    ['https://login.microsoftonline.com/common/x', 'sign_in_asked'],
    ['https://github.com/login?return_to=x', 'sign_in_asked'],
    ['https://github.com/pages/auth?nonce=1', 'sign_in_asked'],
    ['/oauth2/authorize', 'sign_in_asked'],
    ['/adfs/ls/', 'sign_in_asked'],
    ['https://sso.example.com/', 'sign_in_asked'],
  ])('%s: %s', (location, code) => {
    const first = look({ status: 302, headers: location ? { location } : {} })
    expect(codes(answers(first))).toEqual([code])
    expect(isAnswer(answers(first))).toBe(false)
  })
})

test('what fails each time is told once, and what hangs on it not at all', () => {
  expect(codes(answers(look({ status: 503, headers: {}, body: Buffer.from('<html>') })))).toEqual([
    'server_error',
  ])
})

test('who is refused is not asked where the answers fail by chance', () => {
  const down = look({ status: 503 })
  expect(codes(answers(look(), { again: [down], anonymous: down }))).toEqual(['sometimes_fails'])
})

test.each([
  ['a browser', { browser: look({ status: 403 }) }],
  ['a client without a name', { anonymous: look({ status: 403 }) }],
])('%s that is refused is told', (_, more) => {
  expect(codes(answers(look(), more))).toContain('some_clients_refused')
})

test.each([
  [1999, []],
  [2000, ['rather_slow']],
  [5000, ['slow']],
])('an answer that took %d ms: %j', (took, expected) => {
  expect(codes(answers(look(), { again: [look({ took })] }))).toEqual(expected)
})
