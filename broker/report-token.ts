import { hash } from 'node:crypto'
import type { Caller } from './access/authenticate.ts'
import type { Presented } from './access/credential.ts'
import type { Grant, Policy } from './access/policy.ts'
import type { Audit } from './audit.ts'
import { openRecord } from './audit-record.ts'
import type { Clock } from './clock.ts'
import { asBrokerError, BrokerError } from './errors.ts'
import type { Reported } from './tokens/renew.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A report that an EHR refused a token of ours, read but not yet believed. */
export interface ReportRequest extends Presented {
  id: string
  token: string | undefined
  fault: BrokerError | null
}

/** What the story is told with; `broker/app.ts` hands it over. */
export interface ReportRooms {
  policy: () => Policy
  authenticate: (presented: Presented, policy: Policy) => Promise<Caller>
  claimedId: (presented: Presented) => string | null
  admit: (service: string, policy: Policy) => () => void
  reported: (sha256: string) => Reported | undefined
  /** Whether one token serves both, so that a grant at the one is a grant of the other's. */
  isShared: (one: Upstream, other: Upstream) => boolean
  refuseExcess: (grant: Grant, granted: string) => unknown
  audit: Audit
  clock: Clock
}

/**
 * Who reports, may they have that token, a new one, the record. A token that is unknown and one that is not theirs end
 * alike, well and without a call; the record has the difference.
 *
 * There is no `revocation_endpoint` in the metadata: OAuth libraries revoke when they shut down, and would throw away
 * everyone's token.
 */
export async function reportToken(request: ReportRequest, rooms: ReportRooms): Promise<void> {
  const policy = rooms.policy()
  const record = openRecord('report', request, rooms.claimedId(request), policy, rooms.clock)
  let leave = (): void => {}
  try {
    if (request.fault) throw request.fault
    const caller = await rooms.authenticate(request, policy)
    record.service = caller.service
    record.method = caller.method
    leave = rooms.admit(caller.service, policy)
    if (request.token === undefined) throw new BrokerError('token_missing')
    const sha256 = hash('sha256', request.token, 'hex')
    const reported = rooms.reported(sha256)
    const code = reported
      ? excuse(reported, policy.grantsOf(caller.service), rooms)
      : 'token_unknown'
    if (reported && code === null) {
      record.upstream = reported.wanted.upstream.id
      record.reported = sha256
      record.decision = 'granted'
    }
    await rooms.audit.record({ ...record, code })
    if (reported && code === null) await reported.renew()
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code })
    throw error
  } finally {
    leave()
  }
}

/** Why the service may not have that token; null where it may. */
function excuse(
  { wanted, scope }: Reported,
  grants: readonly Grant[],
  { isShared, refuseExcess }: ReportRooms,
): 'token_unknown' | 'scope_exceeds_grant' | null {
  const own = grants.filter(({ upstream }) => isShared(upstream, wanted.upstream))
  if (own.length === 0) return 'token_unknown'
  const isExcess = (grant: Grant): boolean => {
    try {
      refuseExcess(grant, scope)
      return false
    } catch {
      return true
    }
  }
  return own.every(isExcess) ? 'scope_exceeds_grant' : null
}
