import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { judgeTimes, peekClaims, readJwt, verifySignature } from '../../../broker/access/jwt.ts'
import { codeOf } from '../../support/callers.ts'
import { rsaPair, spki } from '../../support/keys.ts'
import { ecSigner, rsaSigner, unsigned } from '../../support/tokens.ts'

const CLAIMS = { iss: 'a', sub: 'a' }
const HEADER = { alg: 'RS256', kid: 'k' }
const NOW = Date.UTC(2026, 10, 25)
const at = (seconds: number): number => NOW / 1000 + seconds

test('a token is read without being believed', () => {
  const text = unsigned(HEADER, CLAIMS)
  expect(readJwt(text)).toEqual({ text, alg: 'RS256', kid: 'k', claims: CLAIMS })
  expect(peekClaims(text)).toEqual(CLAIMS)
})

describe('a header that is none of ours is refused before anything else', () => {
  test.each<[string, object]>([
    ['no algorithm', { alg: 'none' }],
    ['no algorithm, in other letters', { alg: 'nOnE' }],
    ['a symmetric one', { alg: 'HS256' }],
    ['a name of Object.prototype', { alg: 'constructor' }],
    ['several', { alg: ['RS256'] }],
    ['none named', { alg: undefined }],
    ['another kind of JWT: an access token', { typ: 'at+jwt' }],
    ['a proof of possession', { typ: 'dpop+jwt' }],
    ['a security event', { typ: 'secevent+jwt' }],
    ['a typ that is no text', { typ: ['JWT'] }],
    ['crit', { crit: ['exp'], exp: 1 }],
    ['an empty crit', { crit: [] }],
    ['b64', { b64: false, crit: ['b64'] }],
    ['b64 that says what is so anyway', { b64: true }],
    ['a kid that is no text', { kid: { $ne: null } }],
    ['a kid without end', { kid: 'k'.repeat(257) }],
  ])('%s', async (_, header) => {
    expect(await codeOf(() => readJwt(unsigned({ ...HEADER, ...header }, CLAIMS)))).toBe(
      'assertion_header_refused',
    )
  })

  test.each(['JWT', 'jwt', 'JOSE', 'client-authentication+jwt', undefined])(
    'but typ %s is not',
    typ => {
      expect(readJwt(unsigned({ ...HEADER, typ }, CLAIMS)).alg).toBe('RS256')
    },
  )
})

describe('what is no JWT is malformed', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['words', 'open sesame'],
    ['two parts', 'a.b'],
    ['five parts, as of an encrypted one', 'a.b.c.d.e'],
    ['a part that is empty', unsigned(HEADER, CLAIMS, '')],
    ['letters outside base64url', `${unsigned(HEADER, CLAIMS)}=`],
    ['a newline at the end', `${unsigned(HEADER, CLAIMS)}\n`],
    ['a header that is no JSON', 'eHh4.e30.AAAA'],
    ['claims that are a list', unsigned(HEADER, ['a'])],
    ['claims that are null', unsigned(HEADER, null)],
    ['a huge one', unsigned(HEADER, { pad: 'x'.repeat(16_384) })],
  ])('%s', async (_, text) => {
    expect(await codeOf(() => readJwt(text))).toBe('credentials_malformed')
    expect(peekClaims(text)).toEqual({})
  })
})

describe('a token is good for a while', () => {
  const judge = (claims: object) => codeOf(() => judgeTimes({ exp: at(60), ...claims }, NOW, 300))
  test.each<[string, object, string]>([
    ['now', {}, 'ok'],
    ['with all three times', { iat: at(-60), nbf: at(-60) }, 'ok'],
    ['by a clock that is 29 s slow', { exp: at(-29) }, 'ok'],
    ['by a clock that is 30 s fast', { iat: at(30), nbf: at(30) }, 'ok'],
    ['to the longest', { exp: at(330) }, 'ok'],
    ['over', { exp: at(-30) }, 'assertion_time_wrong'],
    ['not yet', { nbf: at(31) }, 'assertion_time_wrong'],
    ['made in the future', { iat: at(31) }, 'assertion_time_wrong'],
    ['far too long', { exp: at(331) }, 'assertion_time_wrong'],
    ['without end', { exp: undefined }, 'assertion_time_wrong'],
    ['to a time that is no number', { exp: `${at(60)}` }, 'assertion_time_wrong'],
    ['to the end of time', { exp: Number.MAX_VALUE }, 'assertion_time_wrong'],
    ['from a time that is null', { nbf: null }, 'assertion_time_wrong'],
  ])('%s', async (_, claims, code) => {
    expect(await judge(claims)).toBe(code)
  })
})

describe('a signature', () => {
  const key = rsaPair().publicKey
  test('by the key is good', async () => {
    await verifySignature(readJwt(await rsaSigner().sign(CLAIMS)), key)
  })

  test('by another key, or over other claims, is not', async () => {
    const good = await rsaSigner().sign(CLAIMS)
    const [header = '', , signature = ''] = good.split('.')
    const changed = `${header}.${Buffer.from('{"sub":"b"}').toString('base64url')}.${signature}`
    const others = [
      await rsaSigner('rsa-1', 1).sign(CLAIMS),
      await ecSigner().sign(CLAIMS),
      changed,
    ]
    for (const text of others)
      expect(await codeOf(() => verifySignature(readJwt(text), key))).toBe(
        'assertion_signature_wrong',
      )
  })

  test('by the public key as a secret is no signature (CVE-2015-9235)', async () => {
    const text = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(spki(key)))
    expect(await codeOf(() => readJwt(text))).toBe('assertion_header_refused')
  })

  test('by a key that the token brings along is not believed', async () => {
    const { jwk, sign } = rsaSigner('rsa-1', 1)
    const { kty, n, e } = jwk
    const embedded = { jwk: { kty, n, e }, jku: 'https://evil.example/jwks', x5c: ['AAAA'] }
    const text = await sign(CLAIMS, { ...embedded, x5u: 'https://evil.example/x' })
    expect(await codeOf(() => verifySignature(readJwt(text), key))).toBe(
      'assertion_signature_wrong',
    )
  })
})
