import { expect, test } from 'vitest'
import { hung, span } from '../../keys-pipeline/words.ts'

test.each([
  [0, '0 s'],
  [1.4, '1 s'],
  [119, '119 s'],
  [120, '2 min'],
  [600, '10 min'],
  [7199, '120 min'],
  [7200, '2 h'],
  [3600 * 47, '47 h'],
  [3600 * 29, '29 h'],
  [3600 * 48, '2 days'],
  [30 * 86_400, '30 days'],
])('%d s is %s', (seconds, text) => expect(span(seconds)).toBe(text))

test('a text hangs behind its head, within 100 columns, whatever its words', () => {
  const url = `https://example.com/${'x'.repeat(200)}`
  const lines = hung('head', `${'word '.repeat(40)}${url} end`, 10)
  expect(lines[0]).toMatch(/^head {6}word word/)
  for (const line of lines.slice(1)) expect(line).toMatch(/^ {10}\S/)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100)
  expect(lines.join('').replaceAll(' ', '')).toContain(url)
})
