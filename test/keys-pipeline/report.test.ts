import { expect, test } from 'vitest'
import { finding } from '../../keys-pipeline/errors.ts'
import { checkSummary, findingsReport, keysTable, listedKeys } from '../../keys-pipeline/report.ts'
import { p256, published, rsa } from '../support/keys.ts'

const entry = { kid: 'k', created: '2026-01-02T03:04:05Z', role: 'standby' } as const

test('every finding is in the report with its code and its fix, under its file, which is named once', () => {
  const findings = [
    finding('kid_invalid', 'a.pem', 'one'),
    finding('set_empty', 'b.pem', 'two'),
    finding('rsa_short', 'a.pem', 'three', 'the-kid'),
  ]
  const report = findingsReport(findings)
  for (const { code, message, fix } of findings)
    for (const part of [code, message, fix]) expect(report).toContain(part)
  expect(report).toContain('the-kid')
  expect(report.match(/^a\.pem$/gm)).toHaveLength(1)
  expect(report.indexOf('rsa_short')).toBeLessThan(report.indexOf('b.pem'))
})

test.each([
  ['the file', finding('kid_invalid', '\u001b[2J\n::error::', 'x')],
  ['the kid', finding('kid_invalid', 'a', 'x', '\u001b[2J\u009b\u202e\n::error::')],
  ['the message', finding('key_twice', 'a', 'the same key is in \u001b[2J\n::error::')],
])('%s of a finding cannot play with a terminal or a log', (_, found) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  expect(findingsReport([found])).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]|^::/m)
})

test('a summary counts, and tells good from bad', () => {
  const good = checkSummary({ findings: [], files: 1, keys: 2 })
  const bad = checkSummary({ findings: [finding('set_empty', 'a', 'x')], files: 1, keys: 2 })
  for (const text of [good, bad]) expect(text).toMatch(/2 keys in 1 file\b/)
  expect(good).not.toBe(bad)
  expect(bad).toMatch(/1 finding\b/)
})

test('a key is listed with what the lifecycle file says of it, and without one as a signer of unknown age', () => {
  const [known, unknown] = [published(rsa().jwk, 'a'), published(p256().jwk, 'b')]
  const listed = listedKeys('nonprod', {
    keys: [known, unknown],
    lifecycle: { [known.thumbprint]: entry },
  })
  expect(listed).toMatchObject([
    { kid: known.jwk.kid, bits: 2048, role: 'standby', created: entry.created, file: 'a' },
    { kid: unknown.jwk.kid, bits: 256, role: 'signer', created: null, file: 'b' },
  ])
  expect(listed.every(each => each.environment === 'nonprod')).toBe(true)
})

test('a table has a line for each key, its columns one under the other', () => {
  const keys = [
    published({ ...rsa().jwk, kid: 'short' }),
    published({ ...p256().jwk, kid: 'k'.repeat(60) }),
  ]
  const [head = '', ...rows] = keysTable(listedKeys('nonprod', { keys, lifecycle: {} })).split('\n')
  expect(rows).toHaveLength(2)
  const at = head.indexOf('ALG')
  expect(rows.map(row => row.slice(at, at + 5))).toEqual(['RS384', 'ES256'])
})

test('a table of no keys says how to make one', () => {
  expect(keysTable([])).toContain('keys -- generate')
})
