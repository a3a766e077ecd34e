import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK, type JWK } from 'jose'
import type { FetchedKey, KeySetCache } from './key-set-cache.ts'
import { EpicRefusal } from './refusal.ts'

/** Seconds. */
const MOST_LIFE = 300
/** Characters. */
const MOST_JTI = 151

const ALGS = new Set(['RS256', 'RS384', 'RS512', 'ES256', 'ES384'])

/** The client ID an assertion claims, before anything is believed. */
export function claimedClient(assertion: string): string {
  try {
    const { iss } = decodeJwt(assertion)
    if (typeof iss === 'string') return iss
  } catch {
    throw new EpicRefusal('assertion_unreadable')
  }
  throw new EpicRefusal('issuer_wrong', 'no iss')
}

/**
 * The signature, against the key set that was registered: the cached keys first, and one fetch at the most per
 * assertion, where the cached keys have run out or do not verify it.
 */
export async function checkSignature(
  assertion: string,
  jwksUrl: string,
  cache: KeySetCache,
): Promise<void> {
  const header = decodeProtectedHeader(assertion)
  if (header.typ !== undefined && header.typ !== 'JWT')
    throw new EpicRefusal('typ_wrong', header.typ)
  if (header.alg === undefined || !ALGS.has(header.alg))
    throw new EpicRefusal('alg_not_accepted', header.alg)
  if (header.jku !== undefined && header.jku !== jwksUrl) throw new EpicRefusal('jku_differs')
  const cached = cache.cached(jwksUrl)
  if (cached !== null) {
    try {
      return await verifyWith(assertion, cached)
    } catch {
      // Epic looks again, once, before it says no.
    }
  }
  await verifyWith(assertion, await cache.fetch(jwksUrl))
}

/** Keys that were uploaded win over a URL. Of them Epic keeps the material alone, and takes RSA only. */
export async function checkWithStatic(
  assertion: string,
  keys: readonly FetchedKey[],
): Promise<void> {
  const { alg } = decodeProtectedHeader(assertion)
  for (const { kty, n, e } of keys) {
    if (kty !== 'RSA' || !alg?.startsWith('RS')) continue
    const key = await importJWK({ kty, n, e } as JWK, alg)
    const isGood = await compactVerify(assertion, key).then(
      () => true,
      () => false,
    )
    if (isGood) return
  }
  throw new EpicRefusal('static_key_does_not_verify')
}

async function verifyWith(assertion: string, keys: readonly FetchedKey[]): Promise<void> {
  const { kid, alg } = decodeProtectedHeader(assertion)
  const found = kid === undefined ? keys : keys.filter(key => key['kid'] === kid)
  const [key, ...others] = found
  if (!key) throw new EpicRefusal('kid_not_in_set', String(kid))
  if (others.length > 0) throw new EpicRefusal('kid_not_unique', String(kid))
  if (key['alg'] !== undefined && key['alg'] !== alg) throw new EpicRefusal('key_does_not_fit_alg')
  try {
    await compactVerify(assertion, await importJWK(key as JWK, alg))
  } catch {
    throw new EpicRefusal('signature_wrong')
  }
}

/** The claims, with no leeway. @see Epic "OAuth 2.0", JWT claims · RFC 7523 §3 */
export function checkClaims(
  assertion: string,
  expected: { clientId: string; tokenUrl: string; audiences?: readonly string[]; now: number },
): string {
  const { iss, sub, aud, jti, exp, nbf, iat } = decodeJwt(assertion)
  const now = expected.now / 1000
  if (iss !== expected.clientId) throw new EpicRefusal('issuer_wrong')
  if (sub !== expected.clientId) throw new EpicRefusal('subject_wrong')
  const audiences: unknown[] = [expected.tokenUrl, ...(expected.audiences ?? [])]
  if (!audiences.includes(aud)) throw new EpicRefusal('audience_wrong', JSON.stringify(aud))
  if (jti === undefined) throw new EpicRefusal('jti_missing')
  if (typeof jti !== 'string') throw new EpicRefusal('jti_not_string')
  if (jti.length > MOST_JTI) throw new EpicRefusal('jti_too_long')
  if (typeof exp !== 'number' || exp <= now) throw new EpicRefusal('expired')
  if (exp > now + MOST_LIFE) throw new EpicRefusal('expires_too_late')
  if (nbf !== undefined && nbf > now) throw new EpicRefusal('not_yet_valid')
  if (nbf !== undefined && exp - nbf > MOST_LIFE) throw new EpicRefusal('valid_too_long')
  if (iat !== undefined && iat > now) throw new EpicRefusal('issued_in_future')
  if (iat !== undefined && exp - iat > MOST_LIFE) throw new EpicRefusal('issued_too_early')
  return jti
}
