/**
 * The signature algorithms that an EHR takes, a row each. Code below asks the row and never names an algorithm.
 *
 * @see RFC 7518 §3.3 (RS*, 2048 bits or more), §3.4 (ES*)
 * @see Epic "OAuth 2.0": RS256, RS384, RS512 for every client, ES256 and ES384 for clients with a JWK Set URL
 */
export const ALGORITHMS = {
  RS256: { kty: 'RSA', hash: 'sha256' },
  RS384: { kty: 'RSA', hash: 'sha384' },
  RS512: { kty: 'RSA', hash: 'sha512' },
  ES256: { kty: 'EC', hash: 'sha256', crv: 'P-256' },
  ES384: { kty: 'EC', hash: 'sha384', crv: 'P-384' },
} as const

export type Alg = keyof typeof ALGORITHMS

export const ALGS = Object.keys(ALGORITHMS) as Alg[]

/** RS384 with RSA is the one pair that every vendor but ModMed takes, and Epic's own example. */
export const DEFAULT_ALG = 'RS384' satisfies Alg

/** What may be published of a key, in the order it is written; `thumbprint` is the order RFC 7638 §3.2 hashes. */
export const KEY_TYPES = {
  RSA: { material: ['n', 'e'], thumbprint: ['e', 'kty', 'n'] },
  EC: { material: ['crv', 'x', 'y'], thumbprint: ['crv', 'kty', 'x', 'y'] },
} as const

export type Kty = keyof typeof KEY_TYPES

/** y² = x³ − 3x + b over GF(p); `oid` is the DER of the curve's name in an SPKI. @see FIPS 186-4 D.1.2 */
export const CURVES = {
  'P-256': {
    alg: 'ES256',
    bytes: 32,
    oid: '06082a8648ce3d030107',
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    alg: 'ES384',
    bytes: 48,
    oid: '06052b81040022',
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
} as const

export type Crv = keyof typeof CURVES

/** The members that only a private or shared key has. @see RFC 7518 §6.2.2, §6.3.2, §6.4 · `priv`: AKP, for ML-DSA */
export const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

/** Bits. 16,384 is where OpenSSL stops verifying. */
export const RSA_BITS = { least: 2048, most: 16_384 } as const

export const isAlg = (name: unknown): name is Alg =>
  typeof name === 'string' && Object.hasOwn(ALGORITHMS, name)

export const isKty = (name: unknown): name is Kty =>
  typeof name === 'string' && Object.hasOwn(KEY_TYPES, name)

export const isCrv = (name: unknown): name is Crv =>
  typeof name === 'string' && Object.hasOwn(CURVES, name)

/** The algorithm a key gets that names none. */
export function defaultAlg(kty: Kty, crv: Crv | undefined): Alg {
  return kty === 'EC' && crv !== undefined ? CURVES[crv].alg : DEFAULT_ALG
}

/** Whether a key of this type and curve can make and check signatures of this algorithm. */
export function algFits(alg: Alg, kty: Kty, crv: Crv | undefined): boolean {
  const row = ALGORITHMS[alg]
  return row.kty === kty && (!('crv' in row) || row.crv === crv)
}
