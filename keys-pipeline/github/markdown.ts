import { shown } from '../errors.ts'

/** Characters. GitHub takes 65536 in a body, and 256 in a title. */
const MOST_FENCED = 30_000
const MOST_TITLE = 200

/**
 * Text from outside as a code block: no link, no mention, no HTML of it works. The fence is longer than any run of
 * backticks in the text, so that the text cannot end it.
 *
 * @see CommonMark §4.5, Fenced code blocks
 */
export function fenced(text: string): string {
  const lines = text.slice(0, MOST_FENCED).split(/\r\n?|\n/)
  const harmless = lines.map(shown).join('\n').slice(0, MOST_FENCED)
  const longest = Math.max(2, ...[...harmless.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${harmless}\n${fence}`
}

/** Text from outside as a title: one line, of printable ASCII. GitHub reads no mention and no HTML in titles. */
export const titled = (text: string): string => shown(text).slice(0, MOST_TITLE)
