import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import {
  type Alg,
  algFits,
  type Crv,
  CURVES,
  defaultAlg,
  isAlg,
  isCrv,
  isKty,
  KEY_TYPES,
  type Kty,
  RSA_BITS,
} from './algorithms.ts'
import { type Code, type Finding, finding, shown } from './errors.ts'

/** A published JWK: these members, in this order, and no others. @see RFC 7517 §4 */
export type PublicJwk =
  | { kty: 'RSA'; use: 'sig'; alg: Alg; kid: string; n: string; e: string }
  | { kty: 'EC'; use: 'sig'; alg: Alg; kid: string; crv: Crv; x: string; y: string }

export interface PublicKey {
  jwk: PublicJwk
  /** RFC 7638 SHA-256, base64url: the identity of the key, whatever its kid. */
  thumbprint: string
  bits: number
  file: string
}

/** kid and alg that are already registered with an EHR and must be kept. */
export interface Registered {
  kid?: string | undefined
  alg?: string | undefined
}

type Members = Readonly<Record<string, unknown>>
type Complain = (code: Code, message: string) => void

/**
 * One JWK as somebody wrote it, to the key as it will be published: only the public members, `kid` kept or made
 * from the thumbprint, `alg` kept or the default of the key type. Every fault of the key is reported, not the first.
 *
 * Refused: `kty_unsupported`, `curve_unsupported`, `key_malformed`, `base64url_not_canonical`, `integer_leading_zero`,
 * `ec_coordinate_length`, `point_off_curve`, `rsa_*`, `use_not_sig`, `alg_*`, `kid_*`.
 *
 * @see RFC 7518 §6 · RFC 7638
 */
export function toPublicKey(
  source: Members,
  file: string,
  registered: Registered = {},
): { key: PublicKey | null; findings: Finding[] } {
  const findings: Finding[] = []
  const named = registered.kid ?? source['kid']
  const knownKid = typeof named === 'string' ? named.slice(0, 128) : null
  const complain: Complain = (code, message) =>
    findings.push(finding(code, file, message, knownKid))

  const kty = source['kty']
  if (!isKty(kty)) {
    complain('kty_unsupported', `kty ${quoted(kty)} is not RSA or EC`)
    return { key: null, findings }
  }
  const crv = kty === 'EC' ? source['crv'] : undefined
  if (kty === 'EC' && !isCrv(crv)) {
    complain('curve_unsupported', `curve ${quoted(crv)} is not P-256 or P-384`)
    return { key: null, findings }
  }
  const curve = isCrv(crv) ? crv : undefined

  const bits = kty === 'RSA' ? judgeRsa(source, complain) : judgeEc(source, curve, complain)
  judgeUse(source, complain)
  const alg = judgeAlg(registered.alg ?? source['alg'], kty, curve, complain)
  judgeKid(named, complain)
  if (findings.length > 0 || alg === null) return { key: null, findings }

  const print = thumbprint(source, kty)
  const head = { use: 'sig' as const, alg, kid: typeof named === 'string' ? named : print }
  const material = Object.fromEntries(KEY_TYPES[kty].material.map(name => [name, source[name]]))
  const jwk = { kty, ...head, ...material } as PublicJwk
  return { key: { jwk, thumbprint: print, bits, file }, findings }
}

/** @see RFC 7638 §3 */
export function thumbprint(material: Members, kty: Kty): string {
  const members = KEY_TYPES[kty].thumbprint.map(name => [name, material[name]])
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'base64url')
}

/** SPKI PEM, for a hospital that loads a key instead of fetching the URL. */
export function toPem(jwk: PublicJwk): string {
  return keyObject(jwk).export({ type: 'spki', format: 'pem' }).toString()
}

/** SHA-256 of the SPKI DER in hex, which OpenSSL prints: openssl pkey -pubin -in PEM -outform DER | openssl dgst -sha256 */
export function fingerprint(jwk: PublicJwk): string {
  return hash('sha256', keyObject(jwk).export({ type: 'spki', format: 'der' }), 'hex')
}

const keyObject = (jwk: PublicJwk): KeyObject => createPublicKey({ key: { ...jwk }, format: 'jwk' })

function judgeRsa(source: Members, complain: Complain): number {
  const n = integer(source, 'n', complain)
  const e = integer(source, 'e', complain)
  if (e !== null && (e % 2n === 0n || e < 65_537n || e >= 2n ** 256n)) {
    complain('rsa_exponent', 'the RSA exponent is even, under 65537 or over 256 bits')
  }
  if (n === null) return 0
  const bits = n.toString(2).length
  if (bits < RSA_BITS.least)
    complain('rsa_short', `${bits} bits; at least ${RSA_BITS.least} are asked for`)
  else if (bits > RSA_BITS.most) complain('rsa_long', `${bits} bits; at most ${RSA_BITS.most}`)
  else if (SMALL_PRIMES.some(prime => n % prime === 0n)) {
    complain('rsa_modulus_weak', 'the RSA modulus can be divided by a small prime')
  }
  return bits
}

function judgeEc(source: Members, crv: Crv | undefined, complain: Complain): number {
  if (crv === undefined) return 0
  const { bytes, p, b } = CURVES[crv]
  const [x, y] = ['x', 'y'].map(name => {
    const raw = octets(source, name, complain)
    if (raw === null || raw.length === bytes) return raw
    complain('ec_coordinate_length', `${name} has ${raw.length} bytes; ${crv} has ${bytes}`)
    return null
  })
  if (!x || !y) return bytes * 8
  const [X, Y] = [toBigInt(x), toBigInt(y)]
  if (X >= p || Y >= p || (Y * Y - (X * X * X - 3n * X + b)) % p !== 0n) {
    complain('point_off_curve', `the point (x, y) is not on ${crv}`)
  }
  return bytes * 8
}

function judgeUse(source: Members, complain: Complain): void {
  const { use, key_ops: operations } = source
  if (use !== undefined && use !== 'sig') complain('use_not_sig', `use is ${quoted(use)}`)
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    complain('use_not_sig', 'key_ops does not have "verify"')
  }
}

function judgeAlg(named: unknown, kty: Kty, crv: Crv | undefined, complain: Complain): Alg | null {
  if (named === undefined) return defaultAlg(kty, crv)
  if (!isAlg(named)) complain('alg_unsupported', `alg ${quoted(named)} is not one that EHRs take`)
  else if (!algFits(named, kty, crv))
    complain('alg_mismatch', `alg ${named} does not fit a key of type ${crv ?? kty}`)
  else return named
  return null
}

function judgeKid(kid: unknown, complain: Complain): void {
  if (kid === undefined) return
  if (typeof kid !== 'string' || !/^[\x20-\x7e]{1,128}$/.test(kid)) {
    complain('kid_invalid', `kid ${quoted(kid)} is not 1 to 128 printable ASCII characters`)
  } else if (kid.startsWith('dev-'))
    complain('kid_dev', `kid ${quoted(kid)} belongs to serve --dev`)
}

function octets(source: Members, name: string, complain: Complain): Buffer | null {
  const text = source[name]
  if (typeof text !== 'string' || text === '') {
    complain('key_malformed', `member ${name} is missing or not a string`)
    return null
  }
  const raw = Buffer.from(text, 'base64url')
  if (raw.toString('base64url') !== text) {
    complain('base64url_not_canonical', `member ${name} is not canonical base64url`)
    return null
  }
  return raw
}

function integer(source: Members, name: string, complain: Complain): bigint | null {
  const raw = octets(source, name, complain)
  if (raw === null) return null
  if (raw[0] === 0) {
    complain('integer_leading_zero', `member ${name} begins with a zero byte`)
    return null
  }
  return toBigInt(raw)
}

const toBigInt = (raw: Buffer): bigint => BigInt(`0x${raw.toString('hex')}`)

/** A value from a file, short and harmless. Only ever used for kty, crv, use, alg and kid, which are public. */
const quoted = (value: unknown): string =>
  value === undefined ? '(missing)' : shown((JSON.stringify(value) ?? '?').slice(0, 140))

const SMALL_PRIMES = primesUnder(200)

function primesUnder(limit: number): bigint[] {
  const primes: number[] = []
  for (let n = 2; n < limit; n++) if (primes.every(prime => n % prime !== 0)) primes.push(n)
  return primes.map(BigInt)
}
