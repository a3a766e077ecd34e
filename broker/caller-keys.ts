import { createPublicKey, type KeyObject } from 'node:crypto'

/** A key by which somebody signs who asks us for a token. */
export interface CallerKey {
  kid: string | null
  /** The one algorithm it is for, where the set says so. */
  alg: string | null
  key: KeyObject
}

/** Each algorithm that a caller may sign with, and the key it takes. Symmetric ones and `none` have no row. */
const TAKES = {
  RS256: 'rsa',
  RS384: 'rsa',
  RS512: 'rsa',
  PS256: 'rsa',
  PS384: 'rsa',
  PS512: 'rsa',
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
  EdDSA: 'ed25519',
} as const

export type CallerAlg = keyof typeof TAKES

export const CALLER_ALGS = Object.keys(TAKES) as CallerAlg[]

/** Taken where the config names none: what SMART, Kubernetes, GitHub and SPIRE sign with. */
export const USUAL_ALGS: readonly CallerAlg[] = ['RS256', 'RS384', 'ES256', 'ES384']

/** Whether a key may verify a token of that algorithm. */
export function isFor({ alg, key }: CallerKey, wanted: CallerAlg): boolean {
  if (alg !== null && alg !== wanted) return false
  return (key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType) === TAKES[wanted]
}

/** Keys. Nobody signs with more, and each costs memory. */
const MOST_KEYS = 100
/** @see NIST SP 800-131A */
const LEAST_RSA_BITS = 2048
/** `jwt-svid` is what SPIFFE calls a signature. @see SPIFFE Trust Domain and Bundle §4.1 */
const USES: readonly unknown[] = [undefined, 'sig', 'jwt-svid']

/**
 * The keys of a set that somebody else publishes, as far as they may verify a signature: what is symmetric, private,
 * weak, for encryption or unreadable is left out. Null where it is no key set.
 *
 * @see RFC 7517 §5 (what is not understood is ignored)
 */
export function readCallerKeys(text: string): CallerKey[] | null {
  const list = listOf(text)
  return list && list.length <= MOST_KEYS ? list.flatMap(keyOf) : null
}

/** Whether a text has a member that only private and symmetric keys have. */
export function holdsPrivate(text: string): boolean {
  return (listOf(text) ?? []).some(jwk => isObject(jwk) && ('d' in jwk || 'k' in jwk))
}

function listOf(text: string): unknown[] | null {
  try {
    const set: unknown = JSON.parse(text)
    const keys = isObject(set) ? set['keys'] : undefined
    return Array.isArray(keys) ? keys : null
  } catch {
    return null
  }
}

function keyOf(jwk: unknown): CallerKey[] {
  if (!isObject(jwk) || 'd' in jwk || !USES.includes(jwk['use'])) return []
  const { kid = null, alg = null } = jwk
  if (!isTextOrNull(kid) || !isTextOrNull(alg)) return []
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const bits = key.asymmetricKeyDetails?.modulusLength ?? LEAST_RSA_BITS
    return bits < LEAST_RSA_BITS ? [] : [{ kid, alg, key }]
  } catch {
    return []
  }
}

const isTextOrNull = (value: unknown): value is string | null =>
  value === null || typeof value === 'string'

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
