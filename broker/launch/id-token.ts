import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { BrokerError } from '../errors.ts'

/** Who logged in, by the EHR's word. */
export interface Identity {
  iss: string
  sub: string
  /** URL of the user's own FHIR resource. */
  fhirUser: string | null
  /** Under `profile`, the name that the user logs in by. */
  username: string | null
}

export interface Expected {
  issuer: string
  clientId: string
  nonce: string
  /** Milliseconds since the epoch. */
  now: number
  /** The issuer's keys, fetched anew where those that are held have no such kid. */
  keys: (isAnew: boolean) => Promise<JSONWebKeySet>
}

/** Seconds by which the EHR's clock may differ from ours; its id_tokens live for five minutes. */
const TOLERANCE = 60
/** Characters of a claim that is kept. */
const MOST = 2000

/**
 * An id_token that is this issuer's, for us, of this login and in time. RS256 and nothing else, as Epic signs and SMART
 * has every server know; the kid is compared as text, since Epic's have `/`, `+` and `=` in them.
 *
 * Refused: `id_token_refused`, and what `keys` refuses.
 *
 * @see OpenID Connect Core §3.1.3.7
 */
export async function checkIdToken(idToken: string, expected: Expected): Promise<Identity> {
  const claims = await verifiedWith(idToken, expected, false).catch(error => {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusalOf(error)
    return verifiedWith(idToken, expected, true).catch(again => {
      throw refusalOf(again)
    })
  })
  const { sub, aud, azp, nonce } = claims
  if (nonce !== expected.nonce) throw refused('nonce')
  if (Array.isArray(aud) && aud.length > 1 && azp === undefined) throw refused('azp')
  if (azp !== undefined && azp !== expected.clientId) throw refused('azp')
  if (typeof sub !== 'string' || sub === '' || sub.length > MOST) throw refused('sub')
  return {
    ...{ iss: expected.issuer, sub },
    fhirUser: textOf(claims['fhirUser']),
    username: textOf(claims['preferred_username']),
  }
}

async function verifiedWith(
  idToken: string,
  { issuer, clientId, now, keys }: Expected,
  isAnew: boolean,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(idToken, createLocalJWKSet(await keys(isAnew)), {
    ...{ issuer, audience: clientId, algorithms: ['RS256'], clockTolerance: TOLERANCE },
    ...{ currentDate: new Date(now), requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'] },
  })
  return payload
}

function refusalOf(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)
    return refused(error.claim)
  return refused(error instanceof errors.JOSEError ? error.code : 'unreadable')
}

const refused = (reason: string): BrokerError => new BrokerError('id_token_refused', { reason })

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= MOST ? value : null
