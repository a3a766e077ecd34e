import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'
import { CURVES, PRIVATE_MEMBERS } from '../../keys-pipeline/algorithms.ts'
import { fingerprint, toPem, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { openSource } from '../../keys-pipeline/pipeline.ts'
import { ecJwk, freshEc, type Jwk, p256, p384, rsa as rsaForms, rsaJwk } from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'
import { PROJECT } from '../support/processes.ts'

const judge = (jwk: Jwk, registered = {}) => toPublicKey(jwk, 'file', registered)
const codes = (jwk: Jwk, registered = {}) => judge(jwk, registered).findings.map(each => each.code)
const vector = (name: string) =>
  JSON.parse(readFileSync(join(PROJECT, 'test', 'vectors', name), 'utf8'))

const padded = (text: unknown, bytes: number): string =>
  Buffer.concat([Buffer.alloc(bytes), Buffer.from(String(text), 'base64url')]).toString('base64url')
const number = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url')

describe('RFC vectors', () => {
  test('the thumbprint of RFC 7638 §3.1', () => {
    const { kid, thumbprint } = vector('rfc7638-3-1.json')
    const jwk = vector('rfc7517-a1.json').keys.find((each: Jwk) => each['kid'] === kid)
    expect(judge(jwk).key).toMatchObject({ thumbprint, jwk: { kid, alg: 'RS256' }, bits: 2048 })
  })

  test('the EC key of RFC 7517 A.1 is one for encryption, and good otherwise', () => {
    const [ec] = vector('rfc7517-a1.json').keys
    expect(codes(ec)).toEqual(['use_not_sig'])
    expect(codes({ ...ec, use: 'sig' })).toEqual([])
  })
})

describe('what is published', () => {
  test('is the public members in a fixed order and nothing else, whatever else the key has', () => {
    const extra = { x5c: ['x'], x5t: 'y', key_ops: ['verify'], ext: true, iat: 1, comment: 'z' }
    const { key } = judge({ ...extra, ...rsaJwk(), kid: 'k', alg: 'RS256' })
    expect(Object.keys(key?.jwk ?? {})).toEqual(['kty', 'use', 'alg', 'kid', 'n', 'e'])
    expect(Object.keys(judge({ ...extra, ...ecJwk() }).key?.jwk ?? {})).toEqual([
      'kty',
      'use',
      'alg',
      'kid',
      'crv',
      'x',
      'y',
    ])
  })

  test('never holds a private member, whatever is added to the key', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PRIVATE_MEMBERS, '__proto__', 'constructor'),
        fc.jsonValue(),
        (name, value) => {
          const { key } = judge({ ...ecJwk(), [name]: value })
          const published = key === null ? [] : Object.keys(key.jwk)
          return published.every(member => !(PRIVATE_MEMBERS as readonly string[]).includes(member))
        },
      ),
    )
  })

  test('keeps a kid, and names a key without one by its thumbprint', async () => {
    const jwk = rsaJwk()
    expect(judge({ ...jwk, kid: 'epic/2019 +=' }).key?.jwk.kid).toBe('epic/2019 +=')
    expect(judge(jwk).key?.jwk.kid).toBe(await calculateJwkThumbprint(jwk as { kty: string }))
  })

  test('keeps what is registered over what the file says', () => {
    expect(
      judge({ ...rsaJwk(), kid: 'a', alg: 'RS512' }, { kid: 'b', alg: 'RS256' }).key?.jwk,
    ).toMatchObject({ kid: 'b', alg: 'RS256' })
  })

  test('has the same thumbprint in any order of the members', () => {
    const entries = Object.entries({ ...ecJwk(), kid: 'k', use: 'sig' })
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), shuffled => {
        return (
          judge(Object.fromEntries(shuffled)).key?.thumbprint === judge(ecJwk()).key?.thumbprint
        )
      }),
    )
  })

  test('is the same key as PEM, to OpenSSL', () => {
    const jwk = rsaJwk()
    const { key } = judge(jwk)
    if (key === null) throw new Error('key')
    const modulus = openssl(['rsa', '-pubin', '-noout', '-modulus'], toPem(key.jwk)).toString()
    expect(modulus.trim()).toBe(
      `Modulus=${Buffer.from(String(jwk['n']), 'base64url').toString('hex').toUpperCase()}`,
    )
  })
})

test.each([
  ['RSA', rsaJwk()],
  ['P-256', ecJwk('P-256')],
  ['P-384', ecJwk('P-384')],
])('the fingerprint of a key, %s, is the one that OpenSSL prints', (_, jwk) => {
  const { key } = judge(jwk)
  if (key === null) throw new Error('key')
  const der = openssl(['pkey', '-pubin', '-outform', 'DER'], toPem(key.jwk))
  const printed = openssl(['dgst', '-sha256'], der).toString()
  expect(printed.trim().split(' ').at(-1)).toBe(fingerprint(key.jwk))
})

describe('a key is refused for', () => {
  const rsa = rsaJwk()
  const ec = ecJwk()
  const short = number(`c${'1'.repeat(127)}${'3'.repeat(128)}`)
  test.each<[string, Jwk, string[]]>([
    ['no kty', { ...rsa, kty: undefined }, ['kty_unsupported']],
    ['kty oct', { kty: 'oct' }, ['kty_unsupported']],
    ['kty OKP', { kty: 'OKP', crv: 'Ed25519', x: 'AA' }, ['kty_unsupported']],
    ['kty constructor', { ...rsa, kty: 'constructor' }, ['kty_unsupported']],
    ['curve P-521', { ...ec, crv: 'P-521' }, ['curve_unsupported']],
    ['no curve', { ...ec, crv: undefined }, ['curve_unsupported']],
    ['no n', { ...rsa, n: undefined }, ['key_malformed']],
    ['n as a number', { ...rsa, n: 7 }, ['key_malformed']],
    ['an empty e', { ...rsa, e: '' }, ['key_malformed']],
    ['padding', { ...rsa, e: 'AQAB=' }, ['base64url_not_canonical']],
    [
      'letters of base64',
      { ...rsa, n: `+/${String(rsa['n']).slice(2)}` },
      ['base64url_not_canonical'],
    ],
    ['white space', { ...rsa, n: `${rsa['n']}\n` }, ['base64url_not_canonical']],
    ['stray bits at the end', { ...ec, x: strayBits(ec['x']) }, ['base64url_not_canonical']],
    ['a leading zero byte in n', { ...rsa, n: padded(rsa['n'], 1) }, ['integer_leading_zero']],
    ['a leading zero byte in e', { ...rsa, e: padded('AQAB', 1) }, ['integer_leading_zero']],
    ['1024 bits', { ...rsa, n: short }, ['rsa_short']],
    ['16,392 bits', { ...rsa, n: number(`ff${'01'.repeat(2048)}`) }, ['rsa_long']],
    ['exponent 3', { ...rsa, e: number('03') }, ['rsa_exponent']],
    ['exponent 1', { ...rsa, e: number('01') }, ['rsa_exponent']],
    ['an even exponent', { ...rsa, e: number('010000') }, ['rsa_exponent']],
    ['an exponent of 257 bits', { ...rsa, e: number(`01${'00'.repeat(31)}01`) }, ['rsa_exponent']],
    ['an even modulus', { ...rsa, n: number(`ff${'00'.repeat(254)}02`) }, ['rsa_modulus_weak']],
    [
      'a modulus divisible by 3',
      { ...rsa, n: number(`81${'00'.repeat(254)}03`) },
      ['rsa_modulus_weak'],
    ],
    ['a short coordinate', { ...ec, x: number('01') }, ['ec_coordinate_length']],
    ['a padded coordinate', { ...ec, y: padded(ec['y'], 1) }, ['ec_coordinate_length']],
    ['a point off the curve', { ...ec, x: ec['y'], y: ec['x'] }, ['point_off_curve']],
    ['the point (0, 0)', { ...ec, x: padded('', 32), y: padded('', 32) }, ['point_off_curve']],
    ['a coordinate of p or more', { ...ec, x: number('ff'.repeat(32)) }, ['point_off_curve']],
    ['use enc', { ...rsa, use: 'enc' }, ['use_not_sig']],
    ['key_ops without verify', { ...rsa, key_ops: ['encrypt'] }, ['use_not_sig']],
    ['key_ops that is no list', { ...rsa, key_ops: 'verify' }, ['use_not_sig']],
    ['alg PS384', { ...rsa, alg: 'PS384' }, ['alg_unsupported']],
    ['alg none', { ...rsa, alg: 'none' }, ['alg_unsupported']],
    ['alg as a list', { ...rsa, alg: ['RS256'] }, ['alg_unsupported']],
    ['alg ES256 on RSA', { ...rsa, alg: 'ES256' }, ['alg_mismatch']],
    ['alg ES384 on P-256', { ...ec, alg: 'ES384' }, ['alg_mismatch']],
    ['an empty kid', { ...rsa, kid: '' }, ['kid_invalid']],
    ['a kid of 129 characters', { ...rsa, kid: 'x'.repeat(129) }, ['kid_invalid']],
    ['a kid with a newline', { ...rsa, kid: 'a\nb' }, ['kid_invalid']],
    ['a kid with an escape sequence', { ...rsa, kid: '\u001b[31m' }, ['kid_invalid']],
    ['a kid outside ASCII', { ...rsa, kid: 'clé' }, ['kid_invalid']],
    ['a kid that is a number', { ...rsa, kid: 7 }, ['kid_invalid']],
    ['a kid of serve --dev', { ...rsa, kid: 'dev-abc' }, ['kid_dev']],
    [
      'everything at once',
      { ...rsa, e: number('03'), use: 'enc', alg: 'PS256', kid: '' },
      ['rsa_exponent', 'use_not_sig', 'alg_unsupported', 'kid_invalid'],
    ],
  ])('%s', (_, jwk, expected) => {
    expect(codes(jwk)).toEqual(expected)
    expect(judge(jwk).key).toBeNull()
  })
})

test('a kid of 128 printable characters is good', () => {
  expect(codes({ ...rsaJwk(), kid: ' ~'.repeat(64) })).toEqual([])
})

test('what a finding shows of a kid cannot play with a terminal', () => {
  const [first] = judge({ ...rsaJwk(), kid: '\u001b]0;x\u0007' }).findings
  expect(first?.message).toMatch(/^[\x20-\x7e]*$/)
})

function strayBits(text: unknown): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const whole = String(text)
  return whole.slice(0, -1) + letters[letters.indexOf(whole.at(-1) ?? '') + 1]
}

test('no member that is added to a file or changed in it brings anything but the public key out of it', () => {
  const name = fc.oneof(
    fc.constantFrom(...PRIVATE_MEMBERS),
    fc.constantFrom('kty', 'use', 'key_ops', 'alg', 'kid', 'crv', 'x', 'y', 'n', 'e', 'x5c'),
    fc.constantFrom('__proto__', 'constructor', 'toJSON', 'D', 'd ', 'keys'),
    fc.string(),
  )
  const pair = fc.constantFrom(rsaForms, p256, p384)
  fc.assert(
    fc.property(pair, name, fc.jsonValue(), (forms, member, value) => {
      const { jwk } = forms()
      // Put together by hand, since __proto__ in a literal would be no member.
      const kept = Object.entries(jwk).filter(([each]) => each !== member)
      const members = [...kept, [member, value] as const]
      const text = members.map(pair => pair.map(each => JSON.stringify(each)).join(':')).join()
      const { keys } = openSource({ file: 'f', folder: '.', bytes: Buffer.from(`{${text}}`) })
      for (const key of keys) {
        const { kty, use, alg, kid, ...material } = key.jwk
        expect(jwk).toMatchObject({ kty, ...material })
        expect(Object.keys(material)).toHaveLength(kty === 'RSA' ? 2 : 3)
        expect([use, typeof alg, typeof kid]).toEqual(['sig', 'string', 'string'])
      }
      if ((PRIVATE_MEMBERS as readonly string[]).includes(member)) expect(keys).toEqual([])
    }),
  )
})

test.each(['P-256', 'P-384'] as const)(
  'every point that OpenSSL makes on %s is on it, and the one above it is not',
  crv => {
    for (let n = 0; n < 20; n++) {
      const { jwk } = freshEc(crv)
      const y = BigInt(`0x${Buffer.from(String(jwk['y']), 'base64url').toString('hex')}`)
      const above = (y + 1n).toString(16).padStart(CURVES[crv].bytes * 2, '0')
      expect(codes(jwk)).toEqual([])
      expect(codes({ ...jwk, y: number(above) })).toEqual(['point_off_curve'])
    }
  },
)

test('a further member changes no thumbprint', () => {
  const own = judge(ecJwk()).key?.thumbprint
  const free = fc
    .dictionary(fc.string(), fc.jsonValue())
    .filter(
      more => !['kty', 'use', 'key_ops', 'alg', 'kid', 'crv', 'x', 'y'].some(each => each in more),
    )
  fc.assert(fc.property(free, more => judge({ ...more, ...ecJwk() }).key?.thumbprint === own))
})
