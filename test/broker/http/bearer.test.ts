import { expect, test } from 'vitest'
import { showsToken } from '../../../broker/http/bearer.ts'

test.each([
  ['Bearer token', true],
  ['bearer token', true],
  ['Bearer  token', false],
  ['Bearer token token', false],
  ['Bearer toke', false],
  ['Basic token', false],
  ['token', false],
  ['', false],
  [undefined, false],
])('%j: %s', (header, expected) => {
  expect(showsToken(header, 'token')).toBe(expected)
})
