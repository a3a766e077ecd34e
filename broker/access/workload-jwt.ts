import type { Clock, Span } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import { fits } from '../patterns.ts'
import type { Access, WorkloadRule } from './access.ts'
import { judgeTimes, type ReadJwt, verifySignature } from './jwt.ts'
import type { KeyFor } from './key-sets.ts'

/** Seconds. EKS makes tokens for a day; a legacy Kubernetes token, which never ends, is not taken. */
const LONGEST = 86_400
/** Milliseconds. A key that its platform withdraws proves nothing for longer, beyond the age that its set may have. */
const PROVES_FOR = 60_000

/**
 * The service that a workload is, by the token that its platform gave it. It may be used until `exp`. Its `aud` is ours
 * alone: whoever else a token is meant for could show it to us.
 *
 * Refused: `workload_unknown`, `assertion_audience_wrong`, `assertion_header_refused`, `assertion_time_wrong`,
 * `assertion_key_unknown`, `caller_keys_unavailable`, `assertion_signature_wrong`.
 *
 * @see Kubernetes "Managing Service Accounts" · GitHub "OpenID Connect reference" · SPIFFE JWT-SVID
 */
export async function serviceOfWorkload(
  jwt: ReadJwt,
  address: string,
  { workloads }: Access,
  { clock, keyFor }: { clock: Clock; keyFor: KeyFor },
): Promise<{ service: string; proves: Span }> {
  const fitting = workloads.filter(rule => isMeant(rule, jwt.claims))
  const rule = fitting.find(({ audience }) => isFor(audience, jwt.claims['aud']))
  if (!rule)
    throw new BrokerError(fitting.length > 0 ? 'assertion_audience_wrong' : 'workload_unknown')
  if (!rule.algs.includes(jwt.alg)) throw new BrokerError('assertion_header_refused')
  const since = clock()
  const exp = judgeTimes(jwt.claims, since.wall, LONGEST)
  await verifySignature(jwt, await keyFor(rule.keys, jwt, address))
  return {
    service: rule.service,
    proves: { since, for: Math.min(exp * 1000 - since.wall, PROVES_FOR) },
  }
}

/** Whose issuer, subject and claims a token has. A config in which two services could be meant is refused. */
function isMeant({ issuer, subject, claims }: WorkloadRule, given: ReadJwt['claims']): boolean {
  const { iss, sub } = given
  if (typeof sub !== 'string' || !fits(subject, sub)) return false
  // A JWT-SVID need have no issuer: its trust domain stands in its subject.
  const isOfDomain = issuer.startsWith('spiffe://') && sub.startsWith(`${issuer}/`)
  if (iss !== issuer && !isOfDomain) return false
  return [...claims].every(([name, pattern]) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    return typeof value === 'string' && fits(pattern, value)
  })
}

/** Kubernetes always writes a list. */
const isFor = (audience: string, aud: unknown): boolean =>
  aud === audience || (Array.isArray(aud) && aud.length === 1 && aud[0] === audience)
