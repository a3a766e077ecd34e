import type { Audit, AuditRecord } from './audit.ts'

/** A decision against somebody, as an operator may see it: what was sent is not in it, which may be a secret misplaced. */
export interface Refused {
  /** ISO 8601, UTC. */
  time: string
  action: AuditRecord['action']
  code: string
  /** Who authenticated; null where nobody did. */
  service: string | null
  /** The service that it claimed to be, where the config has one of that name. */
  claimed: string | null
  upstream: string | null
  address: string
}

export interface RecentRefusals {
  watchAudit: (audit: Audit) => Audit
  /** The latest first. */
  list: () => Refused[]
}

/** Decisions that are kept. */
const MOST = 100

/** The last refusals, in memory alone; all of them are in the audit. */
export function openRecentRefusals(isService: (id: string) => boolean): RecentRefusals {
  const kept: Refused[] = []
  const keep = (record: AuditRecord): void => {
    const { time, action, code, service, claimed, upstream, address } = record
    kept.unshift({
      ...{ time, action, code: code ?? 'internal', service, upstream, address },
      claimed: claimed !== null && isService(claimed) ? claimed : null,
    })
    kept.length = Math.min(kept.length, MOST)
  }
  return {
    watchAudit: audit => ({
      ...audit,
      record: record => {
        if (record.decision === 'refused') keep(record)
        return audit.record(record)
      },
    }),
    list: () => [...kept],
  }
}
