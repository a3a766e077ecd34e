import type { AuditRecord } from '../../broker/audit.ts'

/** A record of a refusal before anybody authenticated, with what a test changes. */
export const auditRecord = (parts: Partial<AuditRecord> = {}): AuditRecord => ({
  time: '2026-11-25T00:00:00.000Z',
  request: 'r',
  action: 'token',
  decision: 'refused',
  code: 'client_unknown',
  tolerated: null,
  service: null,
  claimed: null,
  method: null,
  address: '127.0.0.1',
  upstream: null,
  asked: null,
  granted: null,
  connection: null,
  reported: null,
  order: null,
  config: 'c',
  ...parts,
})
