import { type KeyObject, sign } from 'node:crypto'
import { compactVerify, errors, importJWK } from 'jose'
import { ALGORITHMS } from './algorithms.ts'
import type { PublicKey } from './jwk.ts'

/**
 * What a key says of itself or of another, as a compact JWS that is kept in the lifecycle file for ever:
 * `possession`: whoever publishes this key holds its private half; `release`: that other key has stopped signing.
 *
 * The header has alg, kid and typ, the payload `sub` (the thumbprint of the key it is about), `aud` (the URL of the key
 * set), `iat`, and in a release `last_signed` unless the key never signed. Any JOSE tool can make one.
 */
export const STATEMENTS = { possession: 'possession+jwt', release: 'release+jwt' } as const
export type StatementKind = keyof typeof STATEMENTS

export interface Statement {
  /** Thumbprint. */
  sub: string
  /** The URL of the key set. */
  aud: string
  /** Seconds since the epoch. */
  iat: number
  /** Seconds since the epoch. */
  last_signed?: number
}

/** Signed on the spot, without a wait: `generate` writes it in the same step as the key. */
export function makeStatement(
  kind: StatementKind,
  statement: Statement,
  { key, jwk }: { key: KeyObject; jwk: PublicKey['jwk'] },
): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const header = { alg: jwk.alg, kid: jwk.kid, typ: STATEMENTS[kind] }
  const input = `${encode(header)}.${encode(statement)}`
  const signature = sign(ALGORITHMS[jwk.alg].hash, Buffer.from(input), {
    key,
    dsaEncoding: 'ieee-p1363',
  })
  return `${input}.${signature.toString('base64url')}`
}

/** The statement, or why it is not one by any of these keys about that key and URL. */
export async function readStatement(
  kind: StatementKind,
  jws: string,
  by: readonly PublicKey[],
  about: { thumbprint: string; url: string },
): Promise<Statement | string> {
  for (const { jwk } of by) {
    const verified = await verifiedBy(jws, jwk)
    if (verified === null) continue
    if (verified.typ !== STATEMENTS[kind]) return `its typ is not ${STATEMENTS[kind]}`
    const { sub, aud, iat, last_signed: lastSigned } = verified.payload
    if (sub !== about.thumbprint) return 'it is about another key'
    if (aud !== about.url) return `it is for another URL than ${about.url}`
    if (!isTime(iat) || (lastSigned !== undefined && !isTime(lastSigned)))
      return 'iat or last_signed is not a time in seconds'
    return { sub, aud, iat, ...(lastSigned !== undefined && { last_signed: lastSigned }) }
  }
  return 'none of the keys that may make it has signed it'
}

/** Header and payload where this key signed them; null where it did not, or they are not what a JWT has. */
async function verifiedBy(
  jws: string,
  jwk: PublicKey['jwk'],
): Promise<{ typ: unknown; payload: Record<string, unknown> } | null> {
  try {
    const key = await importJWK({ ...jwk })
    const { protectedHeader, payload } = await compactVerify(jws, key, { algorithms: [jwk.alg] })
    const claims: unknown = JSON.parse(Buffer.from(payload).toString())
    if (typeof claims !== 'object' || claims === null) return null
    return { typ: protectedHeader.typ, payload: { ...claims } }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof SyntaxError) return null
    throw error
  }
}

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
