import { expect, test } from 'vitest'
import { asBrokerError, BrokerError, ERRORS, type ErrorCode } from '../../broker/errors.ts'

const rows = Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode]][]

/** RFC 6749 §5.2, RFC 8707 §2, and the two of §4.1.2.1 that say the server is in trouble. */
const OAUTH = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
  'server_error',
  'temporarily_unavailable',
  // Of an authorization response, and shown to browsers alone (RFC 6749 §4.1.2.1).
  'access_denied',
])

test.each(rows)('%s is an error that OAuth libraries know', (_, row) => {
  expect(OAUTH.has(row.oauth)).toBe(true)
})

test.each(rows)('%s has a status that fits whose fault it is', (_, row) => {
  const isClientStatus = row.status >= 400 && row.status < 500
  expect(isClientStatus).toBe(row.blame === 'caller' || row.blame === 'policy')
})

test.each(rows)('what %s says is ASCII without quotes, as RFC 6749 §5.2 asks', (_, row) => {
  expect(row.says).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
})

test('an EHR’s OAuth error never looks like the service’s own', () => {
  for (const [, row] of rows.filter(
    ([code]) => code.startsWith('upstream_') && ERRORS[code].blame === 'upstream',
  )) {
    expect(['server_error', 'temporarily_unavailable']).toContain(row.oauth)
  }
})

test('whatever is thrown becomes one of our codes, with its cause', () => {
  const cause = new TypeError('x')
  expect(asBrokerError(cause)).toMatchObject({ code: 'internal', cause })
  const own = new BrokerError('target_missing')
  expect(asBrokerError(own)).toBe(own)
})
