import { expect, test } from 'vitest'
import { SAFE, secretFrom, secretHash, secretMatches } from '../../../broker/access/secrets.ts'

test('a secret of 32 bytes needs no encoding in a header, a form or a shell', () => {
  const secret = secretFrom(Buffer.alloc(32, 0xfb))
  expect(secret).toHaveLength(43)
  expect(secret).toMatch(SAFE)
})

test('any of several hashes lets a secret in, and none of them another', () => {
  const hashes = [secretHash('a'), secretHash('b')]
  expect([
    secretMatches('a', hashes),
    secretMatches('b', hashes),
    secretMatches('c', hashes),
  ]).toEqual([true, true, false])
  expect(secretMatches('a', [])).toBe(false)
})
