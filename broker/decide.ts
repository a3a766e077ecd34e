import type { Caller } from './access/authenticate.ts'
import type { Presented } from './access/credential.ts'
import type { Policy } from './access/policy.ts'
import type { Audit, AuditRecord } from './audit.ts'
import { openRecord } from './audit-record.ts'
import type { Clock } from './clock.ts'
import { asBrokerError, type BrokerError } from './errors.ts'

/** A form of a service's, read but not yet believed. */
export interface ServiceRequest extends Presented {
  id: string
  fault: BrokerError | null
}

/** What every decision is told with; `broker/app.ts` hands it over. */
export interface DecisionRooms {
  policy: () => Policy
  authenticate: (presented: Presented, policy: Policy) => Promise<Caller>
  claimedId: (presented: Presented) => string | null
  admit: (service: string, policy: Policy) => () => void
  audit: Audit
  clock: Clock
}

/**
 * The frame of a decision: who asks, may they come in, the work, the record, the reply. `work` fills in the record as it
 * goes; the record is written before this returns, good or bad. Refused: what authentication, admission and `work`
 * refuse; `audit_failed`.
 */
export async function decide<T>(
  action: 'connection' | 'exchange',
  request: ServiceRequest,
  rooms: DecisionRooms,
  work: (service: string, record: AuditRecord) => Promise<T>,
): Promise<T> {
  const policy = rooms.policy()
  const record = openRecord(action, request, rooms.claimedId(request), policy, rooms.clock)
  let leave = (): void => {}
  try {
    if (request.fault) throw request.fault
    const caller = await rooms.authenticate(request, policy)
    record.service = caller.service
    record.method = caller.method
    leave = rooms.admit(caller.service, policy)
    const answer = await work(caller.service, record)
    await rooms.audit.record({ ...record, decision: 'granted' })
    return answer
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  } finally {
    leave()
  }
}
