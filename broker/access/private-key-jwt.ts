import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Access } from './access.ts'
import { judgeTimes, type ReadJwt, verifySignature } from './jwt.ts'
import type { KeyFor } from './key-sets.ts'
import type { UseOnce } from './replays.ts'

export interface AssertionPorts {
  clock: Clock
  keyFor: KeyFor
  useOnce: UseOnce
}

/** Seconds. SMART allows 300; Authlib asks for an hour, and its assertions are as good: each counts once. */
const LONGEST = 3600
/** Characters. */
const MOST_JTI = 256

/**
 * The service that signed an assertion of its own: `iss` and `sub` are its id, `aud` is one text, our issuer or token
 * endpoint, and its `jti` was never used before.
 *
 * Refused: `client_unknown`, `assertion_header_refused`, `assertion_audience_wrong`, `assertion_time_wrong`,
 * `assertion_jti_missing`, `assertion_key_unknown`, `caller_keys_unavailable`, `assertion_signature_wrong`,
 * `assertion_replayed`, `rate_limited`.
 *
 * @see RFC 7523 §3 · OpenID Connect Core §9 · CVE-2025-27370 (an `aud` of several servers)
 */
export async function serviceThatSigned(
  service: string,
  jwt: ReadJwt,
  address: string,
  { rulesOf, audiences }: Access,
  { clock, keyFor, useOnce }: AssertionPorts,
): Promise<string> {
  const rule = rulesOf(service)?.keys
  if (!rule) throw new BrokerError('client_unknown')
  if (!rule.algs.includes(jwt.alg)) throw new BrokerError('assertion_header_refused')
  const { aud, jti } = jwt.claims
  if (!audiences.some(each => each === aud)) throw new BrokerError('assertion_audience_wrong')
  const exp = judgeTimes(jwt.claims, clock().wall, LONGEST)
  if (typeof jti !== 'string' || jti === '' || jti.length > MOST_JTI)
    throw new BrokerError('assertion_jti_missing')
  await verifySignature(jwt, await keyFor(rule.keys, jwt, address))
  // Last, and at once after it: nobody may use up another's jti, nor use one twice at the same time.
  useOnce(service, jti, exp)
  return service
}
