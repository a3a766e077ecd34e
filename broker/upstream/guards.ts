import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel'
import { type Clock, type Instant, remaining } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Upstream } from './upstream.ts'

/** Runs a call to an EHR where there is room for it and hope. Refused: `upstream_busy`, `upstream_circuit_open`. */
export type Guard = <T>(upstream: Upstream, call: () => Promise<T>) => Promise<T>

/** `half_open`: the one call that is let through is under way. */
export type BreakerState = 'closed' | 'open' | 'half_open'

export interface Guards {
  guard: Guard
  /** `open` until a call works again, though the pause may be over. */
  breakerOf: (upstream: Upstream) => BreakerState
}

/** Failed attempts in a row after which an upstream is left alone. */
const THRESHOLD = 5
/** Milliseconds that it is left alone; doubled each time that the one call which is then let through fails. */
const PAUSE = { initialDelay: 10_000, maxDelay: 60_000 }
/** Calls that wait for room; each is a key of the cache, since those of one key share a call. */
const QUEUE = 100

/**
 * A bulkhead and a breaker per upstream: one hospital that hangs takes no other's calls. The breaker counts what says
 * that the EHR is out of order, and not its no.
 */
export function openGuards(clock: Clock): Guards {
  const posts = new Map<string, Post>()
  const guard: Guard = async (upstream, call) => {
    const { id, concurrency } = upstream
    const post = posts.get(id) ?? { inside: 0, breaker: openBreaker(clock), rooms: new Map() }
    posts.set(id, post)
    // A reload may give it more room; what is under way ends in the old one.
    const room = post.rooms.get(concurrency) ?? bulkhead(concurrency, QUEUE)
    post.rooms.set(concurrency, room)
    post.inside++
    try {
      return await room.execute(() => post.breaker.run(call))
    } catch (error) {
      if (error instanceof BulkheadRejectedError) throw new BrokerError('upstream_busy')
      throw error
    } finally {
      post.inside--
      // The library's take 2 KB, and of ten thousand upstreams hardly any has a call under way, or trouble.
      if (post.inside === 0 && post.breaker.isAtRest()) posts.delete(id)
    }
  }
  return { guard, breakerOf: ({ id }) => posts.get(id)?.breaker.state() ?? 'closed' }
}

/** What stands before one upstream. */
interface Post {
  /** Calls that are under way or wait. */
  inside: number
  breaker: Breaker
  /** By how many may be in it at once. */
  rooms: Map<number, ReturnType<typeof bulkhead>>
}

interface Breaker {
  run: <T>(call: () => Promise<T>) => Promise<T>
  state: () => BreakerState
  /** As a new one is. */
  isAtRest: () => boolean
}

function openBreaker(clock: Clock): Breaker {
  const make = (initialState?: unknown): CircuitBreakerPolicy => {
    const policy = circuitBreaker(
      handleWhen(error => isOutOfOrder(error)),
      {
        breaker: new ConsecutiveBreaker(THRESHOLD),
        halfOpenAfter: new ExponentialBackoff({ ...PAUSE, exponent: 2 }),
        ...(initialState !== undefined && { initialState }),
      },
    )
    policy.onBreak(() => {
      brokenAt = clock()
    })
    return policy
  }
  let brokenAt: Instant | null = null
  let policy = make()
  const run: Breaker['run'] = async call => {
    // The library has the wall clock alone: where that was set back, the monotonic one ends the pause.
    if (brokenAt !== null && remaining(brokenAt, PAUSE.maxDelay, clock()) <= 0) {
      const { ownState, breakerState } = policy.toJSON() as Record<string, object>
      brokenAt = null
      policy = make({ ownState: { ...ownState, openedAt: 0 }, breakerState })
    }
    try {
      return await policy.execute(call)
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new BrokerError('upstream_circuit_open')
      throw error
    }
  }
  const isAtRest = (): boolean => {
    if (policy.state !== CircuitState.Closed) return false
    const { breakerState } = policy.toJSON() as Record<string, unknown>
    return breakerState === 0
  }
  return { run, state: () => STATES[policy.state], isAtRest }
}

const STATES = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Isolated]: 'open',
} as const satisfies Record<CircuitState, BreakerState>

function isOutOfOrder(error: unknown): boolean {
  const { code, failure } = asBrokerError(error)
  return ['outage', 'garbled'].includes(failure) && code !== 'upstream_rate_limited'
}
