import { expect, test } from 'vitest'
import { CODES, finding, PipelineError, shown } from '../../keys-pipeline/errors.ts'

test('every code has a sentence that says what to do', () => {
  for (const [code, fix] of Object.entries(CODES)) expect(fix.length, code).toBeGreaterThan(15)
})

test('an error carries all its findings, and the code of the first', () => {
  const [one, two] = [finding('kid_dev', 'a', 'x'), finding('set_empty', 'b', 'y', 'kid')]
  expect(new PipelineError(one, two)).toMatchObject({ code: 'kid_dev', findings: [one, two] })
  expect(two).toMatchObject({ file: 'b', kid: 'kid', fix: CODES.set_empty })
})

test.each([
  ['\u001b[31mred', '\\u001b[31mred'],
  ['a\nb\tc', 'a\\u000ab\\u0009c'],
  ['\u202edesrever', '\\u202edesrever'],
  ['\u{1f600}', '\\u{1f600}'],
  ['plain kid-1', 'plain kid-1'],
])('%j cannot play with a terminal', (text, expected) => {
  expect(shown(text)).toBe(expected)
})
