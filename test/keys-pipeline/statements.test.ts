import { CompactSign, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { makeStatement, readStatement } from '../../keys-pipeline/statements.ts'
import { ecPair, type Pair, published, rsaPair, SET_URL } from '../support/keys.ts'
import { opensslVerifies } from '../support/openssl.ts'

const keyOf = (pair: Pair, more = {}): PublicKey =>
  published({ ...pair.publicKey.export({ format: 'jwk' }), ...more })
const about = { thumbprint: 'thumbprint', url: SET_URL }
const claims = { sub: about.thumbprint, aud: SET_URL, iat: 1 }

test.each([
  ['RS256', rsaPair()],
  ['RS384', rsaPair()],
  ['RS512', rsaPair()],
  ['ES256', ecPair('P-256')],
  ['ES384', ecPair('P-384')],
])('a statement by an %s key is read again, and OpenSSL finds it good', async (alg, pair) => {
  const key = keyOf(pair, { alg })
  const jws = makeStatement('possession', claims, { key: pair.privateKey, jwk: key.jwk })
  expect(await readStatement('possession', jws, [key], about)).toEqual(claims)
  expect(opensslVerifies(jws, { ...key.jwk })).toBe(true)
})

test('any JOSE tool can make one', async () => {
  const pair = ecPair()
  const jws = await new SignJWT({ last_signed: 5 })
    .setProtectedHeader({ alg: 'ES256', typ: 'release+jwt' })
    .setSubject(about.thumbprint)
    .setAudience(SET_URL)
    .setIssuedAt(7)
    .sign(pair.privateKey)
  expect(await readStatement('release', jws, [keyOf(pair)], about)).toMatchObject({
    iat: 7,
    last_signed: 5,
  })
})

describe('is no statement', () => {
  const pair = ecPair()
  const key = keyOf(pair)
  const signed = (payload: unknown, header: object = {}) =>
    new CompactSign(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'ES256', typ: 'release+jwt', ...header })
      .sign(pair.privateKey)
  const none = `${Buffer.from('{"alg":"none","typ":"release+jwt"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`

  test.each<[string, () => string | Promise<string>]>([
    ['nothing', () => ''],
    ['two dots', () => '..'],
    ['one without a signature', () => none],
    ['one that says another type', () => signed(claims, { typ: 'JWT' })],
    ['an assertion to an EHR', () => signed({ ...claims, iss: 'x', exp: 9 }, { typ: 'JWT' })],
    ['one about another key', () => signed({ ...claims, sub: 'other' })],
    ['one for another URL', () => signed({ ...claims, aud: 'https://x' })],
    ['one for several URLs', () => signed({ ...claims, aud: [SET_URL, 'https://x'] })],
    ['one without a time', () => signed({ sub: claims.sub, aud: claims.aud })],
    ['one with a time that is text', () => signed({ ...claims, iat: '1' })],
    ['one with a time in fractions', () => signed({ ...claims, last_signed: 0.5 })],
    ['one that is not JSON', () => signed('x')],
    ['one that is null', () => signed('null')],
    ['one that is a list', () => signed([claims])],
  ])('%s', async (_, make) => {
    const made = Promise.resolve()
      .then(make)
      .catch(() => 'not made')
    expect(await readStatement('release', await made, [key], about)).toBeTypeOf('string')
  })

  test('one by a key of another alg than is published', async () => {
    const rsa = rsaPair()
    const [one, other] = [keyOf(rsa, { alg: 'RS256' }), keyOf(rsa, { alg: 'RS384' })]
    const jws = makeStatement('release', claims, { key: rsa.privateKey, jwk: one.jwk })
    expect(await readStatement('release', jws, [one], about)).toEqual(claims)
    expect(await readStatement('release', jws, [other], about)).toBeTypeOf('string')
  })
})
