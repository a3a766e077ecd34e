import { describe, expect, test } from 'vitest'
import { fits, overlap, patternFault } from '../../broker/patterns.ts'

test.each([
  ['repo:acme/app:ref:refs/heads/main', true],
  ['repo:acme/app:*', true],
  ['spiffe://example.org/ns/prod/*', true],
  ['acme/app/.github/workflows/deploy.yml@*', true],
  ['*', false],
  ['repo:acme*', false],
  ['repo:*/app:x', false],
  ['repo:acme/**', false],
])('%s is a pattern: %s', (pattern, expected) => {
  expect(patternFault(pattern) === null).toBe(expected)
})

test.each([
  ['repo:acme/app:*', 'repo:acme/app:ref:refs/heads/main', true],
  ['repo:acme/app:*', 'repo:acme/app:', false],
  ['repo:acme/app:*', 'repo:acme/app-evil:x', false],
  ['repo:acme/*', 'repo:acme-evil/app:x', false],
  ['repo:acme/*', 'xrepo:acme/app', false],
  ['a:b', 'a:b', true],
  ['a:b', 'a:bc', false],
  ['a:b', 'A:b', false],
  ['a.b', 'axb', false],
])('%s fits %s: %s', (pattern, text, expected) => {
  expect(fits(pattern, text)).toBe(expected)
})

describe('two patterns overlap where one text fits both', () => {
  test.each([
    ['a:b', 'a:b', true],
    ['a:b', 'a:c', false],
    ['a:*', 'a:b', true],
    ['a:*', 'a:', false],
    ['a:*', 'a:b:*', true],
    ['a:b:*', 'a:c:*', false],
  ])('%s and %s: %s', (one, other, expected) => {
    expect([overlap(one, other), overlap(other, one)]).toEqual([expected, expected])
  })
})
