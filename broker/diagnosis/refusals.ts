import { type Clock, type Instant, remaining } from '../clock.ts'
import { asBrokerError, type BrokerError, type ErrorCode } from '../errors.ts'
import type { Exchange } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type Cause, diagnose } from './diagnose.ts'
import type { Facts, TokenOutcome } from './facts.ts'
import { outcomeOf } from './gather.ts'

/** The last diagnosis of an upstream. */
export interface Diagnosis {
  /** Milliseconds since the epoch. */
  at: number
  /** What it refused with. */
  code: ErrorCode
  causes: readonly Cause[]
}

export interface Refusals {
  /**
   * Why it said no, the likeliest cause first. At most one look around per upstream and minute, and a few at a time
   * over all; in between, the causes that were found last. Never rejects, and never takes longer than its looks may.
   */
  diagnoseRefusal: (upstream: Upstream, error: BrokerError) => Promise<readonly Cause[]>
  /** By upstream id; dropped when it works again. */
  last: ReadonlyMap<string, Diagnosis>
  /** The exchange, with its refusals diagnosed behind the caller's back. */
  watch: (exchange: Exchange) => Exchange
}

/** What a diagnosis can say something about. */
const DIAGNOSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_invalid_client',
  'upstream_unauthorized_client',
  'upstream_invalid_scope',
  'upstream_tls_failed',
  'upstream_unreachable',
])

/** Milliseconds between two runs for one upstream. */
const REST = 60_000
/** Runs at a time. Where all EHRs refuse at once, the rest wait for their next refusal. */
const MOST_RUNS = 4
/** Upstreams whose diagnosis is kept; the oldest goes. */
const MOST_KEPT = 2_000

interface Ports {
  clock: Clock
  gather: (upstream: Upstream, token: TokenOutcome) => Promise<Facts>
  onDiagnosed: (upstream: Upstream, diagnosis: Diagnosis) => void
}

export function openRefusals(ports: Ports): Refusals {
  const { clock } = ports
  const last = new Map<string, Diagnosis>()
  const begun = new Map<string, Instant>()
  const running = new Map<string, Promise<readonly Cause[]>>()

  const diagnoseRefusal: Refusals['diagnoseRefusal'] = async (upstream, error) => {
    const { id } = upstream
    const underWay = running.get(id)
    if (underWay) return underWay
    const before = begun.get(id)
    const rests = before !== undefined && remaining(before, REST, clock()) > 0
    if (rests || running.size >= MOST_RUNS) return last.get(id)?.causes ?? []
    begun.set(id, clock())
    const run = runOnce(upstream, error, ports)
      .then(diagnosis => {
        if (diagnosis === null) return []
        keep(last, id, diagnosis)
        ports.onDiagnosed(upstream, diagnosis)
        return diagnosis.causes
      })
      .finally(() => running.delete(id))
    running.set(id, run)
    return run
  }

  const watch =
    (exchange: Exchange): Exchange =>
    async (...call) => {
      const [upstream] = call
      const { id } = upstream
      try {
        const token = await exchange(...call)
        last.delete(id)
        return token
      } catch (thrown) {
        const error = asBrokerError(thrown)
        if (DIAGNOSED.has(error.code)) void diagnoseRefusal(upstream, error)
        throw thrown
      }
    }
  return { diagnoseRefusal, last, watch }
}

/** Null where the looks themselves broke down, which is no reason to trouble the caller. */
async function runOnce(
  upstream: Upstream,
  error: BrokerError,
  { clock, gather }: Ports,
): Promise<Diagnosis | null> {
  try {
    const causes = diagnose(await gather(upstream, outcomeOf(error)))
    return { at: clock().wall, code: error.code, causes }
  } catch {
    return null
  }
}

/** Behind all others, so that the first is the oldest. */
function keep(last: Map<string, Diagnosis>, id: string, diagnosis: Diagnosis): void {
  last.delete(id)
  last.set(id, diagnosis)
  const [oldest] = last.keys()
  if (last.size > MOST_KEPT && oldest !== undefined) last.delete(oldest)
}
