import { expect, test } from 'vitest'
import { fenced, titled } from '../../../keys-pipeline/github/markdown.ts'

test.each([
  ['a fence', '```\n@everyone <img src=x>'],
  ['a longer fence', '`````'],
  ['nothing', ''],
])('%s cannot end the block it stands in', (_, text) => {
  const lines = fenced(text).split('\n')
  const [first = '', last = ''] = [lines[0], lines.at(-1)]
  expect(first).toBe(`${last}text`)
  expect(lines.slice(1, -1).some(line => line.includes(last))).toBe(false)
})

test('what no terminal should get is escaped, and what is endless is cut', () => {
  expect(fenced('\u001b[2J\u202e')).toContain('\\u001b[2J\\u202e')
  expect(fenced('x'.repeat(100_000)).length).toBeLessThan(65_536)
  expect(titled('a\n@b'.repeat(200))).toMatch(/^[\x20-\x7e]{1,200}$/)
})
