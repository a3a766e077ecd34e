import { type Clock, type Instant, remaining, type Span } from '../clock.ts'
import { asBrokerError, BrokerError, type ErrorCode } from '../errors.ts'
import type { Exchange, UpstreamToken } from './exchange.ts'
import type { Guard } from './guards.ts'
import type { History } from './history.ts'
import type { Upstream } from './upstream.ts'

interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  wait: (milliseconds: number) => Promise<void>
  exchange: Exchange
  guard: Guard
  history: History
  /** The kid that would sign now; null where there is none. */
  kidFor: (upstream: Upstream) => string | null
}

/** Attempts in all, of which each has an assertion of its own. */
const MOST_ATTEMPTS = 3
/** Milliseconds before the second attempt; doubled before the third. */
const BACKOFF = 250
/** Milliseconds. A longer Retry-After is not waited for: the caller is told. */
const PATIENCE = 2_000
/** Milliseconds. With less left an attempt would only be cut short. */
const LEAST_LEFT = 1_000
/** Seconds, where an EHR asks us to slow down and does not say for how long. */
const SLOW_DOWN = 30

/**
 * The exchange with what may be done about its failures: an outage is tried again with jittered backoff, a no after a
 * success once, and once more where that has brought another key to sign; anything else never. All attempts together have the upstream's deadline. While an EHR asks us to slow
 * down it is not called.
 *
 * Refused: what the exchange refuses; `upstream_busy`, `upstream_circuit_open`.
 */
export function persist(ports: Ports): Exchange {
  const pauses = new Map<string, Span & { code: ErrorCode }>()
  return async (upstream, scopes, deadline = upstream.deadline) => {
    const { clock, wait, history, chance } = ports
    const began = clock()
    const left = (): number => remaining(began, deadline * 1000, clock())
    refusePaused(pauses.get(upstream.id), upstream, clock())
    for (let attempt = 1; ; attempt++) {
      const worked = history.of(upstream.id).lastSuccess !== null
      try {
        return await attemptOnce(upstream, scopes, Math.max(1, left() / 1000), ports)
      } catch (thrown) {
        const error = asBrokerError(thrown)
        const asked = askedFor(error)
        const delay =
          asked === null
            ? (backoffAfter(error, attempt, worked, chance()) ??
              afterTurn(error, attempt, ports.kidFor(upstream)))
            : asked <= PATIENCE && attempt === 1
              ? asked
              : null
        if (delay !== null && left() - delay >= LEAST_LEFT) await wait(delay)
        else {
          if (asked !== null)
            pauses.set(upstream.id, { since: clock(), for: asked, code: error.code })
          throw error
        }
      }
    }
  }
}

function refusePaused(
  pause: (Span & { code: ErrorCode }) | undefined,
  { id }: Upstream,
  now: Instant,
): void {
  const left = pause ? remaining(pause.since, pause.for, now) : 0
  if (pause && left > 0)
    throw new BrokerError(pause.code, { upstream: id, retry_after: Math.ceil(left / 1000) })
}

async function attemptOnce(
  upstream: Upstream,
  scopes: readonly string[],
  deadline: number,
  { clock, exchange, guard, history }: Ports,
): Promise<UpstreamToken> {
  const { id } = upstream
  try {
    const token = await guard(upstream, () => exchange(upstream, scopes, deadline))
    history.worked(id, clock().wall, token.kid)
    return token
  } catch (thrown) {
    const { code, facts, cause } = asBrokerError(thrown)
    const { status } = facts
    const isCall = code !== 'upstream_busy' && code !== 'upstream_circuit_open'
    if (isCall) history.failed(id, clock().wall, code, typeof status === 'number' ? status : null)
    throw new BrokerError(code, { ...facts, upstream: id }, { cause })
  }
}

/** Milliseconds until the next attempt, where the EHR does not ask for a pause; null where there is none. */
function backoffAfter(
  { code, failure }: BrokerError,
  attempt: number,
  worked: boolean,
  chance: number,
): number | null {
  if (FLAKY.includes(code)) return worked && attempt === 1 ? BACKOFF * (1 + chance) : null
  if (failure !== 'outage' || attempt >= MOST_ATTEMPTS) return null
  if (code === 'upstream_circuit_open' || code === 'upstream_busy') return null
  return BACKOFF * 2 ** (attempt - 1) * (1 + chance)
}

/** Where a key was refused until another is to sign: that one has its attempt. */
function afterTurn(
  { code, facts }: BrokerError,
  attempt: number,
  next: string | null,
): number | null {
  const isTurn = FLAKY.includes(code) && next !== null && next !== facts['kid']
  return isTurn && attempt < MOST_ATTEMPTS ? BACKOFF : null
}

/** A bare 400 or 401, with which Epic now and then answers what it accepts a moment later. */
const FLAKY: readonly ErrorCode[] = ['upstream_invalid_client', 'upstream_refused']

/** Milliseconds for which the EHR asks not to be called; null where it does not ask. */
function askedFor({ code, facts: { retry_after: asked } }: BrokerError): number | null {
  if (typeof asked === 'number') return asked * 1000
  return code === 'upstream_rate_limited' ? SLOW_DOWN * 1000 : null
}
