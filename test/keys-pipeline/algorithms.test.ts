import { generateKeyPairSync } from 'node:crypto'
import { CompactSign, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  ALGORITHMS,
  ALGS,
  algFits,
  CURVES,
  defaultAlg,
  isAlg,
  isCrv,
  isKty,
  PRIVATE_MEMBERS,
} from '../../keys-pipeline/algorithms.ts'
import { freshEc, p256, p384, rsa } from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'

test.each(['constructor', '__proto__', 'toString', 'none', 'HS256', '', null, 7])(
  '%s is no algorithm, type or curve',
  name => {
    expect([isAlg(name), isKty(name), isCrv(name)]).toEqual([false, false, false])
  },
)

test.each(ALGS)('%s fits the keys it was made for and no others', alg => {
  const row = ALGORITHMS[alg]
  const fits = [
    algFits(alg, 'RSA', undefined),
    algFits(alg, 'EC', 'P-256'),
    algFits(alg, 'EC', 'P-384'),
  ]
  expect(fits).toEqual([
    row.kty === 'RSA',
    'crv' in row && row.crv === 'P-256',
    'crv' in row && row.crv === 'P-384',
  ])
})

test('a key that names no algorithm gets the one that most EHRs take', () => {
  expect([
    defaultAlg('RSA', undefined),
    defaultAlg('EC', 'P-256'),
    defaultAlg('EC', 'P-384'),
  ]).toEqual(['RS384', 'ES256', 'ES384'])
})

/** FIPS 186-4 D.1.2: the base points, which lie on the curves. */
const BASE_POINTS = {
  'P-256': [
    0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  ],
  'P-384': [
    0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
    0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
  ],
} as const

test.each(['P-256', 'P-384'] as const)('the base point of %s lies on our curve', name => {
  const { p, b } = CURVES[name]
  const [x, y] = BASE_POINTS[name]
  expect((y * y - (x * x * x - 3n * x + b)) % p).toBe(0n)
})

describe('an algorithm fits a key exactly when jose signs with the two', () => {
  const pairs = [
    ['RSA', rsa, 'RSA', undefined],
    ['P-256', p256, 'EC', 'P-256'],
    ['P-384', p384, 'EC', 'P-384'],
  ] as const
  test.each(pairs.flatMap(pair => ALGS.map(alg => [alg, ...pair] as const)))(
    '%s, %s',
    async (alg, _, pair, kty, crv) => {
      const sign = async () =>
        new CompactSign(Buffer.from('x'))
          .setProtectedHeader({ alg })
          .sign(await importJWK({ ...pair().secret }, alg))
      const signs = await sign().then(
        () => true,
        () => false,
      )
      expect(algFits(alg, kty, crv)).toBe(signs)
    },
  )
})

describe('the numbers of a curve are OpenSSL’s', () => {
  test.each([
    ['P-256', 'prime256v1'],
    ['P-384', 'secp384r1'],
  ] as const)('%s', (crv, name) => {
    const text = openssl([
      ...['ecparam', '-name', name, '-param_enc', 'explicit', '-text', '-noout'],
    ]).toString()
    const number = (label: string): bigint => {
      const hex = new RegExp(`^${label}:\\s*((?:[0-9a-f]{2}[:\\s]*)+)`, 'm').exec(text)?.[1] ?? ''
      return BigInt(`0x${hex.replace(/[^0-9a-f]/g, '')}`)
    }
    const { p, b, oid } = CURVES[crv]
    expect([p, p - 3n, b]).toEqual([number('Prime'), number('A'), number('B')])
    const spki = freshEc(crv).publicKey.export({ type: 'spki', format: 'der' })
    expect(spki.toString('hex')).toContain(oid)
  })
})

describe('what a private key has and its public half has not is known as private', () => {
  test.each([
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['EC', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['OKP', () => generateKeyPairSync('ed25519')],
    ['AKP', () => generateKeyPairSync('ml-dsa-44')],
  ])('%s', (_, make) => {
    const { publicKey, privateKey } = make()
    const open = Object.keys(publicKey.export({ format: 'jwk' }))
    const secret = Object.keys(privateKey.export({ format: 'jwk' })).filter(
      name => !open.includes(name),
    )
    expect(secret).not.toEqual([])
    expect(PRIVATE_MEMBERS).toEqual(expect.arrayContaining(secret))
  })
})
