import { describe, expect, test } from 'vitest'
import { isFor, keptUntil, readConnection, standingOf } from '../../../broker/launch/connection.ts'
import { connection, launchTarget } from '../../support/launch-target.ts'
import { upstream } from '../../support/upstream.ts'

test('a connection is read as it was written, and what is none is not', () => {
  expect(readConnection(JSON.stringify(connection()))).toEqual(connection())
  for (const other of ['null', '{}', '[]', JSON.stringify({ ...connection(), accessToken: '' })])
    expect(readConnection(other)).toBeNull()
})

test.each([
  ['another FHIR server', { fhirBase: 'https://other.example.com' }],
  ['another token endpoint', { tokenEndpoint: 'https://other.example.com/token' }],
  ['another client ID', { clientId: 'other-app' }],
  ['another upstream', { id: 'other' }],
])('a connection is not for %s', (_, parts) => {
  expect(isFor(connection(), launchTarget())).toBe(true)
  const changed = upstream({ clientId: 'user-app', ...parts })
  expect(isFor(connection(), launchTarget({ upstream: changed }))).toBe(false)
})

describe('stands', () => {
  test.each([
    ['connected', {}, 0],
    ['connected', {}, 9_999_999],
    ['connected', { refreshToken: null }, 0],
    ['lapsed', { refreshToken: null }, 3_600_000],
    ['over', { isOver: true }, 0],
  ] as const)('%s', (standing, parts, now) => {
    expect(standingOf(connection(parts), now)).toBe(standing)
  })
})

test('what can be renewed is kept for long, what cannot until a day after its end', () => {
  const day = 24 * 3600 * 1000
  expect(keptUntil(connection({ refreshToken: null }), 0)).toBe(3_600_000 + day)
  expect(keptUntil(connection(), 0)).toBe(400 * day)
  expect(keptUntil(connection({ isOver: true }), 0)).toBe(30 * day)
})
