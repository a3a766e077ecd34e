import type { AuditRecord } from '../../broker/audit.ts'
import { openRecord } from '../../broker/audit-record.ts'
import { movedClock } from './clock.ts'

/** A record of a refusal before anybody authenticated, with what a test changes. */
export const auditRecord = (parts: Partial<AuditRecord> = {}): AuditRecord => ({
  ...openRecord(
    'token',
    { id: 'r', address: '127.0.0.1' },
    null,
    { generation: 'c' },
    movedClock().clock,
  ),
  code: 'client_unknown',
  ...parts,
})
