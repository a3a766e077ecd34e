import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CALLER_ALGS, holdsPrivate, isFor, readCallerKeys } from '../../broker/caller-keys.ts'
import { ecJwk, type Jwk, privateJwk, rsaJwk } from '../support/keys.ts'

const setOf = (...keys: unknown[]): string => JSON.stringify({ keys })
const kids = (text: string) => readCallerKeys(text)?.map(each => each.kid)

const weak = (): Jwk => ({
  ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }),
})

test('the keys of a set that may verify a signature are read', () => {
  const set = setOf(
    { ...rsaJwk(), kid: 'a', alg: 'RS256', use: 'sig' },
    { ...ecJwk(), kid: 'b' },
    { ...ecJwk('P-384'), kid: 'c', use: 'jwt-svid' },
    ecJwk(),
  )
  expect(kids(set)).toEqual(['a', 'b', 'c', null])
})

describe('what may not verify a signature is left out, and the rest stays', () => {
  test.each<[string, () => unknown]>([
    ['a symmetric key', () => ({ kty: 'oct', k: 'AAAA', kid: 'x' })],
    ['a private key', () => ({ ...privateJwk(), kid: 'x' })],
    ['a key for encryption', () => ({ ...rsaJwk(), kid: 'x', use: 'enc' })],
    ['a weak key', () => ({ ...weak(), kid: 'x' })],
    ['a key type that nobody knows', () => ({ kty: 'ML-DSA', kid: 'x' })],
    ['a point off the curve', () => ({ ...ecJwk(), y: ecJwk()['x'], kid: 'x' })],
    ['a kid that is no text', () => ({ ...rsaJwk(), kid: 7 })],
    ['an alg that is no text', () => ({ ...rsaJwk(), kid: 'x', alg: ['none'] })],
    ['no object', () => 'x'],
    ['null', () => null],
  ])('%s', (_, key) => {
    expect(kids(setOf(key(), { ...rsaJwk(), kid: 'good' }))).toEqual(['good'])
  })
})

test.each([
  ['nothing', ''],
  ['a page', '<!doctype html>'],
  ['a list', '[]'],
  ['null', 'null'],
  ['a set whose keys are no list', '{"keys":{}}'],
  ['a set of 101 keys', setOf(...Array.from({ length: 101 }, () => ({})))],
])('%s is no key set', (_, text) => {
  expect(readCallerKeys(text)).toBeNull()
})

test.each([
  [setOf(rsaJwk()), false],
  [setOf(rsaJwk(), privateJwk()), true],
  [setOf({ kty: 'oct', k: 'AAAA' }), true],
  ['x', false],
])('a set that holds what should be secret is told', (text, expected) => {
  expect(holdsPrivate(text)).toBe(expected)
})

describe('a key verifies the algorithms that its type is for, and no other', () => {
  test.each([
    ['RSA', rsaJwk(), ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
    ['P-256', ecJwk(), ['ES256']],
    ['P-384', ecJwk('P-384'), ['ES384']],
    ['RSA for one', { ...rsaJwk(), alg: 'RS384' }, ['RS384']],
    ['P-256 that says otherwise', { ...ecJwk(), alg: 'RS256' }, []],
  ])('%s', (_, jwk, algs) => {
    const [key] = readCallerKeys(setOf(jwk)) ?? []
    expect(CALLER_ALGS.filter(alg => key && isFor(key, alg))).toEqual(algs)
  })
})

test('no algorithm is symmetric, and none is none', () => {
  expect(CALLER_ALGS.filter(alg => /^(HS|none)/i.test(alg))).toEqual([])
})
