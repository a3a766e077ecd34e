import type { AuditRecord } from '../audit.ts'
import type { PastFacts } from './facts.ts'

/** What is known of one upstream from the calls that were made. Milliseconds since the epoch. */
export interface Past {
  lastSuccess: number | null
  /** The kid that was last accepted. */
  acceptedKid: string | null
  /** The first call of all, as far back as is known. */
  firstTry: number | null
  /** Since the last success. */
  failures: number
}

export const NO_PAST: Readonly<Past> = {
  ...{ lastSuccess: null, acceptedKid: null, firstTry: null, failures: 0 },
}

export const worked = (past: Past, at: number, kid: string): Past => ({
  ...past,
  ...{ lastSuccess: at, acceptedKid: kid, firstTry: past.firstTry ?? at, failures: 0 },
})

export const failed = (past: Past, at: number): Past => ({
  ...past,
  ...{ firstTry: past.firstTry ?? at, failures: past.failures + 1 },
})

/** By upstream, from audit records in order: tokens that the EHR itself gave, and its refusals. */
export function readPast(records: Iterable<AuditRecord>): Map<string, Past> {
  const pasts = new Map<string, Past>()
  for (const { action, upstream, time, granted, code } of records) {
    // What users do is under another client ID; an operator's look may fail where getting tokens works.
    if (upstream === null || action !== 'token') continue
    const past = pasts.get(upstream) ?? NO_PAST
    const at = Date.parse(time)
    if (granted?.source === 'upstream') pasts.set(upstream, worked(past, at, granted.kid))
    else if (code?.startsWith('upstream_')) pasts.set(upstream, failed(past, at))
  }
  return pasts
}

export function pastOf(
  { lastSuccess, acceptedKid, firstTry, failures }: Past,
  now: number,
): PastFacts {
  const since = (moment: number | null): number | null =>
    moment === null ? null : Math.max(0, (now - moment) / 1000)
  return { worked: since(lastSuccess), kid: acceptedKid, tried: since(firstTry), failures }
}
