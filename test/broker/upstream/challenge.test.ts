import { expect, test } from 'vitest'
import { bearerChallenge } from '../../../broker/upstream/challenge.ts'

const NOTHING = { error: null, description: null, scope: null }

test.each<[string, object | null]>([
  ['', null],
  ['Basic realm="x"', null],
  ['Basic error="insufficient_scope"', null],
  ['Bearer', NOTHING],
  ['Bearer error="invalid_token"', { ...NOTHING, error: 'invalid_token' }],
  ['bearer error=invalid_token', { ...NOTHING, error: 'invalid_token' }],
  [
    'Bearer realm="r", error="insufficient_scope", error_description="not \\"this\\", no", scope="a b"',
    { error: 'insufficient_scope', description: 'not "this", no', scope: 'a b' },
  ],
  [
    'Basic realm="Bearer, error=x", Bearer error="invalid_token"',
    { ...NOTHING, error: 'invalid_token' },
  ],
  ['Bearer error="a", Basic error="b"', { ...NOTHING, error: 'a' }],
  ['Bearer error="a", error="b"', { ...NOTHING, error: 'a' }],
  ['Bearer error="not closed', NOTHING],
])('%s', (header, expected) => {
  expect(bearerChallenge(header)).toEqual(expected)
})

test('one that is made to take long is left unread', () => {
  expect(bearerChallenge(`Bearer ${'a="\\'.repeat(1500)}`)).toEqual(NOTHING)
  expect(bearerChallenge(`Bearer error="${'x'.repeat(9000)}"`)).toBeNull()
})
