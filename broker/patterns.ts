/** What stands before a `*`: without it `acme*` would let `acme-evil` in. */
const SEPARATOR = /[:/@]$/

/**
 * Why a text is no pattern; null where it is one. A pattern is exact, or ends in one `*` that stands for the rest, right
 * after `:`, `/` or `@`. A `*` in the middle would match across whatever a subject is made of.
 */
export function patternFault(pattern: string): string | null {
  if (!pattern.includes('*')) return null
  if (pattern.indexOf('*') < pattern.length - 1) return 'may have one * alone, at its end'
  return SEPARATOR.test(pattern.slice(0, -1)) ? null : 'must have :, / or @ before its *'
}

/** Whether a text fits a pattern. The `*` stands for one letter or more. */
export function fits(pattern: string, text: string): boolean {
  const start = startOf(pattern)
  return start === null ? text === pattern : text.length > start.length && text.startsWith(start)
}

/** Whether some text fits both patterns. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [startOf(one), startOf(other)]
  if (a !== null && b !== null) return a.startsWith(b) || b.startsWith(a)
  return a === null ? fits(other, one) : fits(one, other)
}

const startOf = (pattern: string): string | null =>
  pattern.endsWith('*') ? pattern.slice(0, -1) : null
