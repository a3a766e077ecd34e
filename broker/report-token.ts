import { hash } from 'node:crypto'
import type { Grant } from './access/policy.ts'
import { type DecisionRooms, decide, type ServiceRequest } from './decide.ts'
import { BrokerError } from './errors.ts'
import type { Reported } from './tokens/renew.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A report that an EHR refused a token of ours, read but not yet believed. */
export interface ReportRequest extends ServiceRequest {
  token: string | undefined
}

/** What the story is told with; `broker/app.ts` hands it over. */
export interface ReportRooms extends DecisionRooms {
  reported: (sha256: string) => Reported | undefined
  /** Whether one token serves both, so that a grant at the one is a grant of the other's. */
  isShared: (one: Upstream, other: Upstream) => boolean
  refuseExcess: (grant: Grant, granted: string) => unknown
}

/**
 * Who reports, may they have that token, a new one, the record. A token that is unknown and one that is not theirs end
 * alike, well and without a call; the record has the difference.
 *
 * There is no `revocation_endpoint` in the metadata: OAuth libraries revoke when they shut down, and would throw away
 * everyone's token.
 */
export function reportToken(request: ReportRequest, rooms: ReportRooms): Promise<void> {
  return decide({ action: 'report' }, request, rooms, async ({ service, policy, record }) => {
    if (request.token === undefined) throw new BrokerError('token_missing')
    const sha256 = hash('sha256', request.token, 'hex')
    const reported = rooms.reported(sha256)
    const code = reported ? excuse(reported, policy.grantsOf(service), rooms) : 'token_unknown'
    if (!reported || code !== null) {
      Object.assign(record, { decision: 'refused', code })
      return () => {}
    }
    record.upstream = reported.wanted.upstream.id
    record.reported = sha256
    return async () => void (await reported.renew())
  })
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
