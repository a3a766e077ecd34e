import { hash } from 'node:crypto'
import { ALGORITHMS, type Alg, CURVES } from '../../keys-pipeline/algorithms.ts'
import { CK } from './cryptoki.ts'

/** How a token makes a signature of one algorithm. */
export interface Mechanism {
  mechanism: number
  /** What the token signs, for what is to be signed. */
  prepare: (input: Buffer) => Buffer
  /** Bytes of the longest signature. */
  most: number
}

const HASHING = {
  sha256: CK.CKM_SHA256_RSA_PKCS,
  sha384: CK.CKM_SHA384_RSA_PKCS,
  sha512: CK.CKM_SHA512_RSA_PKCS,
} as const

/** What comes before the digest in a DigestInfo. @see RFC 8017 §9.2, note 1 */
const DIGEST_INFO = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
} as const

/**
 * Of the mechanisms a token has, the one for an algorithm: for RSA one that hashes, or else the plain one over a
 * DigestInfo; for EC the plain one over the digest, whose r‖s is what JOSE takes (RFC 7518 §3.4). Null where it has none.
 */
export function mechanismFor(alg: Alg, offered: readonly number[], bits: number): Mechanism | null {
  const row = ALGORITHMS[alg]
  const digest = (input: Buffer): Buffer => hash(row.hash, input, 'buffer')
  const plain = row.kty === 'RSA' ? CK.CKM_RSA_PKCS : CK.CKM_ECDSA
  const most = row.kty === 'RSA' ? Math.ceil(bits / 8) : 2 * CURVES[row.crv].bytes
  if (row.kty === 'RSA' && offered.includes(HASHING[row.hash]))
    return { mechanism: HASHING[row.hash], prepare: input => input, most }
  if (!offered.includes(plain)) return null
  const before = Buffer.from(row.kty === 'RSA' ? DIGEST_INFO[row.hash] : '', 'hex')
  return { mechanism: plain, prepare: input => Buffer.concat([before, digest(input)]), most }
}
