import { authenticate, claimedId, type Presented } from './access/authenticate.ts'
import { type Ask, authorise, isTarget, refuseExcess } from './access/authorise.ts'
import type { Policy } from './access/policy.ts'
import type { Audit, AuditRecord } from './audit.ts'
import type { Clock } from './clock.ts'
import { asBrokerError, type BrokerError } from './errors.ts'
import type { Obtain, Obtained } from './tokens/obtain.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A token request, read but not yet believed. */
export interface TokenRequest extends Presented {
  id: string
  address: string
  ask: Ask
  /** Seconds; 0 where it is not asked for. */
  minimumTtl: number
  /** What was wrong with it as HTTP or as a form. It is a decision too, and is recorded as one. */
  fault: BrokerError | null
}

/** A successful token response. @see RFC 6749 §5.1 */
export interface Issued {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  scope: string
}

export interface Rooms {
  policy: () => Policy
  upstreams: () => ReadonlyMap<string, Upstream>
  obtain: Obtain
  audit: Audit
  clock: Clock
}

/**
 * The story of the broker: who asks, may they, the token, the record, the reply. Policy is decided on one config
 * generation and before the cache is looked at. The record is written before this returns: no record, no token.
 */
export async function issueToken(request: TokenRequest, rooms: Rooms): Promise<Issued> {
  const policy = rooms.policy()
  const record = openRecord(request, policy, rooms.clock)
  try {
    if (request.fault) throw request.fault
    const caller = authenticate(request, policy.secretsOf)
    record.service = caller.service
    record.method = caller.method
    const known = (ask: Ask): boolean =>
      [...rooms.upstreams().values()].some(each => isTarget(each, ask))
    const { grant, scopes } = authorise(policy.grantsOf(caller.service), request.ask, known)
    record.upstream = grant.upstream.id
    const obtained = await rooms.obtain({
      upstream: grant.upstream,
      scopes,
      minimumTtl: request.minimumTtl,
    })
    refuseExcess(grant, obtained.token.scope)
    record.granted = grantedOf(obtained)
    record.decision = 'granted'
    await rooms.audit.record(record)
    return replyOf(obtained)
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    const upstream = error.facts['upstream']
    if (typeof upstream === 'string') record.upstream = upstream
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  }
}

const replyOf = ({ token, expiresIn }: Obtained): Issued => ({
  access_token: token.accessToken,
  token_type: 'Bearer',
  expires_in: expiresIn,
  scope: token.scope,
})

const grantedOf = ({ token, expiresIn, source }: Obtained): AuditRecord['granted'] => ({
  scope: token.scope,
  expires_in: expiresIn,
  token_sha256: token.sha256,
  kid: token.kid,
  source,
})

function openRecord(request: TokenRequest, policy: Policy, clock: Clock): AuditRecord {
  const { ask, minimumTtl } = request
  const target = ask.audience ?? ask.resources[0] ?? null
  return {
    time: new Date(clock().wall).toISOString(),
    request: request.id,
    decision: 'refused',
    code: null,
    service: null,
    claimed: claimedId(request),
    method: null,
    address: request.address,
    upstream: null,
    asked: {
      target: target === null ? null : target.slice(0, 500),
      scope: ask.scope === undefined ? null : ask.scope.slice(0, 1000),
      minimum_ttl: minimumTtl,
    },
    granted: null,
    config: policy.generation,
  }
}
