import { expect, test } from 'vitest'
import { chooseKey, strangeKids } from '../../../broker/keys/choose.ts'
import type { SigningKey } from '../../../broker/keys/signing-keys.ts'
import type { Alg } from '../../../keys-pipeline/algorithms.ts'

const key = (kid: string, alg: Alg): SigningKey => ({
  kid,
  alg,
  thumbprint: kid,
  file: kid,
  since: 0,
  signJwt: async () => '',
})
const keys = [key('a', 'RS384'), key('b', 'RS384'), key('c', 'ES384')]

const chosen = (alg: Alg, signWith: string[] = []): string => {
  const found = chooseKey('nonprod', alg, { keys, signWith })
  return typeof found === 'string' ? 'none' : found.kid
}

test('the only key of a line signs', () => {
  expect(chosen('ES384')).toBe('c')
})

test('a line without a key signs nothing', () => {
  expect(chosen('RS256')).toBe('none')
})

test('of several keys the one that is named signs, and none is guessed', () => {
  expect(chosen('RS384', ['b'])).toBe('b')
  expect(chosen('RS384')).toBe('none')
  expect(chosen('RS384', ['a', 'b'])).toBe('none')
  expect(chosen('RS384', ['c'])).toBe('none')
})

test('a kid that names no key of the folder is complained of, where there are keys at all', () => {
  expect(strangeKids({ keys, signWith: ['a', 'x'] })).toContain('x')
  expect(strangeKids({ keys, signWith: ['a'] })).toBeNull()
  expect(strangeKids({ keys: [], signWith: ['x'] })).toBeNull()
})
