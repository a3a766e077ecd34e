import { expect, test } from 'vitest'
import { readLifecycle, serializeLifecycle, timestamp } from '../../keys-pipeline/lifecycle.ts'
import { asIs, folderWith, p256 } from '../support/keys.ts'

const print = 'A'.repeat(43)
const entry = { kid: 'k', created: '2026-11-25T00:00:00Z', role: 'signer' } as const

test('what is written is read back, and a missing file is an empty one', () => {
  const folder = folderWith({ 'lifecycle.json': serializeLifecycle({ [print]: entry }) })
  expect(readLifecycle(folder, asIs)).toEqual({ [print]: entry })
  expect(readLifecycle(folderWith(), asIs)).toEqual({})
})

test('the order of entries makes no difference to the bytes', () => {
  const other = 'B'.repeat(43)
  expect(serializeLifecycle({ [print]: entry, [other]: entry })).toBe(
    serializeLifecycle({ [other]: entry, [print]: entry }),
  )
})

test.each([
  ['half a file', '{"keys":'],
  ['a list', '[]'],
  ['an unknown member', { keys: {}, more: 1 }],
  ['a name that is no thumbprint', { keys: { short: entry } }],
  ['a time that is none', { keys: { [print]: { ...entry, created: 'yesterday' } } }],
  ['an unknown role', { keys: { [print]: { ...entry, role: 'boss' } } }],
])('%s is refused', (_, content) => {
  const folder = folderWith({ 'lifecycle.json': content })
  expect(() => readLifecycle(folder, asIs)).toThrowError(
    expect.objectContaining({ code: 'lifecycle_unreadable' }),
  )
})

test.each([
  ['a PEM', () => p256().privatePem],
  ['half a PEM', () => p256().privatePem.slice(0, 60)],
  ['a JWK', () => JSON.stringify(p256().secret)],
])('a reason that holds a private key, %s, is refused, and nothing of it is said', (_, secret) => {
  const retired = { at: entry.created, reason: secret(), emergency: true }
  const folder = folderWith({ 'lifecycle.json': { keys: { [print]: { ...entry, retired } } } })
  // Long runs alone: a short one may stand in the name of the folder by chance.
  const [material = ''] = /[A-Za-z0-9_]{20,}/.exec(secret()) ?? []
  expect(() => readLifecycle(folder, asIs)).toThrowError(
    expect.objectContaining({
      code: 'private_member',
      message: expect.not.stringContaining(material.slice(0, 20)),
    }),
  )
})

test('a time is written in UTC, to the second', () => {
  expect(timestamp(Date.UTC(2026, 10, 25, 1, 2, 3, 999))).toBe('2026-11-25T01:02:03Z')
})

test.each([
  ['a month that is none', '2026-13-01T00:00:00Z'],
  ['a day that is none', '2026-02-30T00:00:00Z'],
  ['an hour that is none', '2026-01-01T25:00:00Z'],
  ['another zone', '2026-01-01T00:00:00+02:00'],
  ['fractions of a second', '2026-01-01T00:00:00.5Z'],
])('a time with %s is refused', (_, created) => {
  const folder = folderWith({ 'lifecycle.json': { keys: { [print]: { ...entry, created } } } })
  expect(() => readLifecycle(folder, asIs)).toThrowError(
    expect.objectContaining({ code: 'lifecycle_unreadable' }),
  )
})
