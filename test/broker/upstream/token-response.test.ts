import { describe, expect, test } from 'vitest'
import type { BrokerError } from '../../../broker/errors.ts'
import { PROFILES } from '../../../broker/profiles.ts'
import type { Reply } from '../../../broker/upstream/token-endpoint.ts'
import { readTokenResponse } from '../../../broker/upstream/token-response.ts'

const good = {
  access_token: 'abc',
  token_type: 'bearer',
  expires_in: 3600,
  scope: 'system/Patient.read',
}
const UNDATED = { date: null, retryAfter: null }
const json = (body: unknown, status = 200): Reply => ({
  status,
  type: 'application/json',
  text: JSON.stringify(body),
  ...UNDATED,
})
const judge = (reply: Omit<Reply, keyof typeof UNDATED>) =>
  readTokenResponse({ ...UNDATED, ...reply }, ['system/Patient.read'], PROFILES.epic)
const without = (name: keyof typeof good) =>
  Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))

describe('replies that EHRs really give are understood', () => {
  test.each<[string, Omit<Reply, keyof typeof UNDATED>, object]>([
    ['bearer', json(good), { life: 3600 }],
    ['Bearer', json({ ...good, token_type: 'Bearer' }), { accessToken: 'abc' }],
    ['expires_in as a string', json({ ...good, expires_in: '570' }), { life: 570 }],
    ['expires_in as a fraction', json({ ...good, expires_in: 59.9 }), { life: 59 }],
    ['no expires_in', json(without('expires_in')), { life: 300 }],
    ['expires_in null', json({ ...good, expires_in: null }), { life: 300 }],
    ['a life of thirty thousand years', json({ ...good, expires_in: 1e12 }), { life: 86_400 }],
    ['no scope', json(without('scope')), { scope: 'system/Patient.read' }],
    ['an empty scope', json({ ...good, scope: '' }), { scope: 'system/Patient.read' }],
    [
      'scope in another order and case',
      json({ ...good, scope: 'Patient.Read  Coverage.read ' }),
      { scope: 'Patient.Read Coverage.read' },
    ],
    ['a charset', { ...json(good), type: 'application/json; charset=utf-8' }, { life: 3600 }],
    ['another JSON type', { ...json(good), type: 'application/fhir+json' }, { life: 3600 }],
    ['members we do not know', json({ ...good, patient: 'x' }), { life: 3600 }],
  ])('%s', (_, reply, expected) => {
    expect(judge(reply)).toMatchObject(expected)
  })
})

describe('a reply that is not a token is refused', () => {
  test.each<[string, Omit<Reply, keyof typeof UNDATED>, string]>([
    ['429', json({}, 429), 'upstream_rate_limited'],
    ['500', json(good, 500), 'upstream_unavailable'],
    ['502 in HTML', { status: 502, type: 'text/html', text: '<html>' }, 'upstream_unavailable'],
    ['302', { status: 302, type: '', text: '' }, 'upstream_redirected'],
    ['304', { status: 304, type: '', text: '' }, 'upstream_redirected'],
    ['201', json(good, 201), 'upstream_refused'],
    [
      '400 invalid_client',
      json({ error: 'invalid_client', error_description: null }, 400),
      'upstream_invalid_client',
    ],
    ['401 invalid_client', json({ error: 'invalid_client' }, 401), 'upstream_invalid_client'],
    [
      '400 unauthorized_client',
      json({ error: 'unauthorized_client' }, 400),
      'upstream_unauthorized_client',
    ],
    ['400 invalid_scope', json({ error: 'invalid_scope' }, 400), 'upstream_invalid_scope'],
    ['400 invalid_request', json({ error: 'invalid_request' }, 400), 'upstream_invalid_request'],
    [
      '400 unsupported_grant_type',
      json({ error: 'unsupported_grant_type' }, 400),
      'upstream_unsupported_grant_type',
    ],
    ['400 with an unknown error', json({ error: 'constructor' }, 400), 'upstream_refused'],
    ['400 with an error that is no string', json({ error: {} }, 400), 'upstream_refused'],
    ['403 in HTML', { status: 403, type: 'text/html', text: '<html>' }, 'upstream_refused'],
    [
      '400 in broken JSON',
      { status: 400, type: 'application/json', text: '{"err' },
      'upstream_not_json',
    ],
    ['200 in HTML', { status: 200, type: 'text/html', text: '<html>' }, 'upstream_not_json'],
    ['200 without a type', { ...json(good), type: '' }, 'upstream_not_json'],
    ['200 empty', { status: 200, type: 'application/json', text: '' }, 'upstream_not_json'],
    [
      'truncated JSON',
      { status: 200, type: 'application/json', text: '{"access_token":"ab' },
      'upstream_not_json',
    ],
    ['an array', json([good]), 'upstream_reply_malformed'],
    ['null', json(null), 'upstream_reply_malformed'],
    ['no access_token', json(without('access_token')), 'upstream_reply_malformed'],
    ['an empty access_token', json({ ...good, access_token: '' }), 'upstream_reply_malformed'],
    [
      'an access_token that would break a header',
      json({ ...good, access_token: 'a\r\nb' }),
      'upstream_reply_malformed',
    ],
    ['no token_type', json(without('token_type')), 'upstream_reply_malformed'],
    ['another token_type', json({ ...good, token_type: 'DPoP' }), 'upstream_token_type'],
    ['expires_in as words', json({ ...good, expires_in: 'soon' }), 'upstream_reply_malformed'],
    ['expires_in as an object', json({ ...good, expires_in: {} }), 'upstream_reply_malformed'],
    ['a scope that is no string', json({ ...good, scope: ['a'] }), 'upstream_reply_malformed'],
    [
      'a scope with control characters',
      json({ ...good, scope: 'a\u0000b' }),
      'upstream_reply_malformed',
    ],
  ])('%s', (_, reply, code) => {
    expect(() => judge(reply)).toThrowError(expect.objectContaining({ code }))
  })
})

test('no error holds any of the reply’s text', () => {
  const marks = ['{"access_token":"MARK', '{"error":"MARK MARK"}', '<html>MARK']
  for (const text of marks) {
    for (const [status, type] of [
      [200, 'application/json'],
      [400, 'application/json'],
      [400, 'text/html'],
    ] as const) {
      try {
        judge({ status, type, text })
        expect.unreachable()
      } catch (error) {
        const { message, facts, cause } = error as BrokerError
        expect(JSON.stringify([message, facts, String(cause)])).not.toContain('MARK')
      }
    }
  }
})
