import type { ErrorCode } from '../errors.ts'

/** What is known of one upstream from the calls that were made. Times are milliseconds since the epoch. */
export interface Standing {
  lastSuccess: number | null
  /** The kid that was last accepted. */
  acceptedKid: string | null
  lastFailure: { at: number; code: ErrorCode; status: number | null } | null
  /** Failures since the last success. */
  failures: number
  /** Seconds by which its clock is ahead of ours, by the Date of its last reply; null where it never sent one. */
  skew: number | null
}

export interface History {
  of: (upstream: string) => Readonly<Standing>
  worked: (upstream: string, at: number, kid: string) => void
  failed: (upstream: string, at: number, code: ErrorCode, status: number | null) => void
  /** Told of the Date of each reply. */
  dated: (upstream: string, skew: number) => void
}

const UNKNOWN: Readonly<Standing> = {
  ...{ lastSuccess: null, acceptedKid: null, lastFailure: null, failures: 0, skew: null },
}

export function openHistory(): History {
  const standings = new Map<string, Standing>()
  const change = (upstream: string, parts: Partial<Standing>): void => {
    standings.set(upstream, { ...(standings.get(upstream) ?? UNKNOWN), ...parts })
  }
  const of = (upstream: string): Readonly<Standing> => standings.get(upstream) ?? UNKNOWN
  return {
    of,
    worked: (upstream, at, kid) =>
      change(upstream, { lastSuccess: at, acceptedKid: kid, failures: 0 }),
    failed: (upstream, at, code, status) =>
      change(upstream, {
        lastFailure: { at, code, status },
        failures: of(upstream).failures + 1,
      }),
    dated: (upstream, skew) => change(upstream, { skew }),
  }
}
