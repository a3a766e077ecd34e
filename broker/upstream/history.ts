import type { ErrorCode } from '../errors.ts'

/** What is known of one upstream from the calls that were made. Times are milliseconds since the epoch. */
export interface Standing {
  lastSuccess: number | null
  /** The kid that was last accepted. */
  acceptedKid: string | null
  lastFailure: { at: number; code: ErrorCode; status: number | null } | null
  /** The first call of all, as far back as is known. */
  firstTry: number | null
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
  ...{ lastSuccess: null, acceptedKid: null, lastFailure: null, firstTry: null },
  ...{ failures: 0, skew: null },
}

/** `known`: by upstream, what an earlier process knew. */
export function openHistory(
  known: ReadonlyMap<string, Partial<Readonly<Standing>>> = new Map(),
): History {
  const standings = new Map<string, Standing>()
  for (const [upstream, parts] of known) standings.set(upstream, { ...UNKNOWN, ...parts })
  const of = (upstream: string): Readonly<Standing> => standings.get(upstream) ?? UNKNOWN
  const change = (upstream: string, parts: Partial<Standing>): void => {
    standings.set(upstream, { ...of(upstream), ...parts })
  }
  const since = (upstream: string, at: number): number => of(upstream).firstTry ?? at
  return {
    of,
    worked: (upstream, at, kid) =>
      change(upstream, {
        ...{ lastSuccess: at, acceptedKid: kid, failures: 0, firstTry: since(upstream, at) },
      }),
    failed: (upstream, at, code, status) =>
      change(upstream, {
        lastFailure: { at, code, status },
        failures: of(upstream).failures + 1,
        firstTry: since(upstream, at),
      }),
    dated: (upstream, skew) => change(upstream, { skew }),
  }
}
