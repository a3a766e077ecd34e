import type { KeyObject } from 'node:crypto'
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { CALLER_ALGS, type CallerAlg } from '../caller-keys.ts'
import { BrokerError } from '../errors.ts'

/** A signed JWT, read and not believed. */
export interface ReadJwt {
  text: string
  alg: CallerAlg
  kid: string | null
  claims: Readonly<Record<string, unknown>>
}

/** Characters. A Kubernetes or GitHub token has about 2000. */
const MOST_LENGTH = 16 * 1024
/** Characters. */
const MOST_KID = 256
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** What a client's assertion and a workload's token may call themselves; other kinds of JWT are for other doors. */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'jose', 'client-authentication+jwt']
/** Seconds that two clocks may differ. */
export const LEEWAY = 30

/**
 * A JWT in its compact form. Keys and URLs in its header (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
 *
 * Refused: `credentials_malformed` where it is none; `assertion_header_refused` for an algorithm that nobody may use
 * (`none`, HMAC), another kind of JWT, and every extension (`crit`, `b64`).
 *
 * @see RFC 8725 §3.1, §3.11
 */
export function readJwt(text: string): ReadJwt {
  const read = text.length <= MOST_LENGTH && COMPACT.test(text) ? decode(text) : null
  if (read === null) throw new BrokerError('credentials_malformed')
  const { header, claims } = read
  const { alg, kid = null, typ } = header
  const isKnownType = TYPES.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)
  if (!isAlg(alg) || !isKnownType || !isKid(kid) || 'crit' in header || 'b64' in header)
    throw new BrokerError('assertion_header_refused')
  return { text, alg, kid, claims }
}

/** The claims of what may be a JWT; nothing where it is none. */
export function peekClaims(text: string): Readonly<Record<string, unknown>> {
  return (text.length <= MOST_LENGTH && COMPACT.test(text) && decode(text)?.claims) || {}
}

function decode(text: string) {
  try {
    return { header: decodeProtectedHeader(text), claims: decodeJwt(text) }
  } catch {
    return null
  }
}

const isAlg = (alg: unknown): alg is CallerAlg => CALLER_ALGS.some(each => each === alg)

const isKid = (kid: unknown): kid is string | null =>
  kid === null || (typeof kid === 'string' && kid.length <= MOST_KID)

/**
 * Whether the token is good at this moment. `now` is in milliseconds since the epoch, `longest` in seconds: how long from
 * now it may be good at the most. Returns `exp`. Refused: `assertion_time_wrong`.
 */
export function judgeTimes(
  { exp, nbf = 0, iat = 0 }: ReadJwt['claims'],
  now: number,
  longest: number,
): number {
  const seconds = now / 1000
  const isGood =
    isTime(exp) &&
    isTime(nbf) &&
    isTime(iat) &&
    exp > seconds - LEEWAY &&
    exp <= seconds + longest + LEEWAY &&
    nbf <= seconds + LEEWAY &&
    iat <= seconds + LEEWAY
  if (!isGood) throw new BrokerError('assertion_time_wrong')
  return exp
}

const isTime = (value: unknown): value is number => Number.isFinite(value)

/**
 * What is left once header and claims have been judged, which comes first, so that nothing unsigned makes us fetch a key.
 * Refused: `assertion_signature_wrong`.
 */
export async function verifySignature({ text, alg }: ReadJwt, key: KeyObject): Promise<void> {
  try {
    await compactVerify(text, key, { algorithms: [alg] })
  } catch (error) {
    throw new BrokerError('assertion_signature_wrong', {}, { cause: error })
  }
}
