import type { Policy } from './access/policy.ts'
import type { AuditRecord, KeyOrder } from './audit.ts'
import type { Clock } from './clock.ts'

/** A record of a decision that is not taken yet: refused, until somebody says otherwise. */
export function openRecord(
  action: Exclude<AuditRecord['action'], KeyOrder['action']>,
  request: { id: string; address: string },
  claimed: string | null,
  { generation }: Pick<Policy, 'generation'>,
  clock: Clock,
): AuditRecord {
  return {
    ...NOTHING,
    ...{ time: isoOf(clock().wall), action, claimed, config: generation },
    ...{ request: request.id, address: request.address },
  }
}

let [lastWall, lastIso] = [Number.NaN, '']

/** Many requests come within one millisecond. */
function isoOf(wall: number): string {
  if (wall !== lastWall) [lastWall, lastIso] = [wall, new Date(wall).toISOString()]
  return lastIso
}

/** Of an order that was carried out or refused. */
export const orderRecord = (
  { action, code, address, order }: KeyOrder,
  request: string,
  { generation }: Pick<Policy, 'generation'>,
  clock: Clock,
): AuditRecord => ({
  ...NOTHING,
  ...{ time: new Date(clock().wall).toISOString(), action, code, request, address, order },
  ...{ decision: code === null ? 'granted' : 'refused', config: generation },
})

/** In the order in which a line has them. */
const NOTHING: AuditRecord = {
  time: '',
  request: '',
  action: 'token',
  decision: 'refused',
  code: null,
  tolerated: null,
  service: null,
  claimed: null,
  method: null,
  address: '',
  upstream: null,
  asked: null,
  granted: null,
  connection: null,
  reported: null,
  order: null,
  config: '',
}
