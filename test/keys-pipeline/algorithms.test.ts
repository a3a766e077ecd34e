import { expect, test } from 'vitest'
import {
  ALGORITHMS,
  ALGS,
  algFits,
  CURVES,
  defaultAlg,
  isAlg,
  isCrv,
  isKty,
} from '../../keys-pipeline/algorithms.ts'

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
