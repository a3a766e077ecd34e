import { type Finding, shown } from '../errors.ts'
import { CHECKS, type CheckName } from './checks.ts'
import { FAULTS, type FaultName } from './faults.ts'

/** One thing that was looked at: what was seen, and where it is not good, why that matters and what to do. */
export interface Remark {
  check: CheckName
  level: 'good' | 'warning' | 'bad'
  /** Null where all is good. */
  code: string | null
  seen: string
  why: string
  fix: string | null
  source: string
}

export function good(check: CheckName, seen: string): Remark {
  const { why, source } = CHECKS[check]
  return { check, level: 'good', code: null, seen: shown(seen), why, fix: null, source }
}

export function fault(code: FaultName, seen: string): Remark {
  const { check, level, fix } = FAULTS[code]
  const { why, source } = CHECKS[check]
  return { check, level, code, seen: shown(seen), why, fix, source }
}

/** What the publisher itself would refuse, found in the live set or at GitHub. */
export function fromFinding(check: CheckName, { code, kid, message, fix }: Finding): Remark {
  const { why, source } = CHECKS[check]
  const seen = kid === null ? message : `${message} (kid ${shown(kid)})`
  return { check, level: 'bad', code, seen, why, fix, source }
}

/** What was found, or that nothing was. */
export const orGood = (remarks: Remark[], check: CheckName, seen: string): Remark[] =>
  remarks.some(each => each.check === check) ? remarks : [good(check, seen), ...remarks]
