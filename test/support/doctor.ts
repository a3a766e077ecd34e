import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { Evidence } from '../../keys-pipeline/doctor/evidence.ts'
import { examine } from '../../keys-pipeline/doctor/examine.ts'
import type { Beside } from '../../keys-pipeline/doctor/judge-keys.ts'
import { gather, type Probe } from '../../keys-pipeline/doctor/probe.ts'
import type { Examined } from '../../keys-pipeline/doctor/report.ts'

export interface Seen extends Pick<Examined, 'remarks' | 'vendors'> {
  evidence: Evidence
  bad: (string | null)[]
  warnings: (string | null)[]
}

/** A URL on this machine, seen by the doctor as if it were the world's. */
export async function seen(
  url: string,
  probe: Partial<Probe> = {},
  beside: Partial<Beside> = {},
): Promise<Seen> {
  const evidence = await gather(new URL(url), {
    ...{ addresses: ['127.0.0.1'], ca: undefined, deadline: 5, plainPort: null },
    ...{ resolve: async () => [], now: Date.now, elapsed: () => performance.now() },
    ...{ buster: () => Math.random().toString(36), progress: () => undefined, wait },
    ...probe,
  })
  const found = examine(evidence, { ehr: 'epic', comparison: null, privateKey: null, ...beside })
  const codes = (level: string) =>
    found.remarks.filter(each => each.level === level).map(each => each.code)
  return { ...found, evidence, bad: codes('bad'), warnings: codes('warning') }
}
