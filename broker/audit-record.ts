import type { Policy } from './access/policy.ts'
import type { AuditRecord } from './audit.ts'
import type { Clock } from './clock.ts'

/** A record of a decision that is not taken yet: refused, until somebody says otherwise. */
export function openRecord(
  action: AuditRecord['action'],
  request: { id: string; address: string },
  claimed: string | null,
  { generation }: Pick<Policy, 'generation'>,
  clock: Clock,
): AuditRecord {
  return {
    time: new Date(clock().wall).toISOString(),
    request: request.id,
    action,
    decision: 'refused',
    code: null,
    tolerated: null,
    service: null,
    claimed,
    method: null,
    address: request.address,
    upstream: null,
    asked: null,
    granted: null,
    connection: null,
    reported: null,
    config: generation,
  }
}
