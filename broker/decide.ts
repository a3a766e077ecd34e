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
  /** What was wrong with it as HTTP or as a form. It is a decision too, and is recorded as one. */
  fault: BrokerError | null
}

/** Who sent a request that was granted, and under which policy: what need not be found out again when it is repeated. */
export interface Known {
  policy: Policy
  claimed: string | null
  caller: Caller
}

/** The same bytes again: they are not read a second time. */
export interface Repeat {
  id: string
  address: string
  known: Known
}

/** What every decision is told with; `broker/app.ts` hands it over. */
export interface DecisionRooms {
  policy: () => Policy
  authenticate: (presented: Presented, policy: Policy) => Promise<Caller>
  /** The client_id that is claimed, before anything is believed. */
  claimedId: (presented: Presented) => string | null
  /** Told who authenticated without being looked at, so that failures before it are forgiven. */
  recognised: (address: string, claimed: string | null) => void
  /** Lets a service in, unless it asks too much; returns what to call at the end. */
  admit: (service: string, policy: Policy) => () => void
  audit: Audit
  clock: Clock
}

/** A service that was let in, for what it came for. */
export interface Inside {
  service: string
  /** Of the config generation by which all of it is decided. */
  policy: Policy
  known: Known
  /** Granted, until the work says otherwise; the work fills in the rest. */
  record: AuditRecord
}

/** What is decided, and what was asked as far as it could be read. */
interface What {
  action: Parameters<typeof openRecord>[0]
  asked?: AuditRecord['asked']
}

/**
 * The frame of a decision: who asks, may they come in, the work, the record, the reply. The record is written before the
 * reply is made, good or bad: no record, no reply. Refused: what authentication, admission and `work` refuse;
 * `audit_failed`.
 */
export async function decide<T>(
  { action, asked = null }: What,
  request: ServiceRequest | Repeat,
  rooms: DecisionRooms,
  work: (inside: Inside) => Promise<() => T | Promise<T>>,
): Promise<T> {
  const isRepeat = 'known' in request
  const policy = isRepeat ? request.known.policy : rooms.policy()
  const claimed = isRepeat ? request.known.claimed : rooms.claimedId(request)
  const record = openRecord(action, request, claimed, policy, rooms.clock)
  record.asked = asked
  let leave = (): void => {}
  try {
    const known = isRepeat
      ? recognised(request, rooms)
      : { policy, claimed, caller: await believed(request, policy, rooms) }
    const { service, method } = known.caller
    record.service = service
    record.method = method
    leave = rooms.admit(service, policy)
    record.decision = 'granted'
    const reply = await work({ service, policy, known, record })
    await rooms.audit.record(record)
    return await reply()
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  } finally {
    leave()
  }
}

async function believed(
  request: ServiceRequest,
  policy: Policy,
  { authenticate }: DecisionRooms,
): Promise<Caller> {
  if (request.fault) throw request.fault
  return authenticate(request, policy)
}

function recognised({ address, known }: Repeat, rooms: DecisionRooms): Known {
  rooms.recognised(address, known.claimed)
  return known
}
