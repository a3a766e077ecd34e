import { hash } from 'node:crypto'
import type { Clock, Instant } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import { LEEWAY } from './jwt.ts'

/** Notes that a service used a `jti`, of an assertion that is good until `exp` (seconds since the epoch). */
export type UseOnce = (service: string, jti: string, exp: number) => void

interface Used {
  at: Instant
  /** Milliseconds for which it must be remembered. */
  for: number
}

/** Assertions of one service that are remembered: fourteen a second where each is good for an hour. */
const MOST = 50_000
/** Below so many it is not worth looking for those that are over. */
const FEW = 1000

/**
 * Each `jti` of a service counts once, for as long as its assertion could be believed. It is remembered in this process:
 * not by another replica, and not after a restart.
 *
 * Refused: `assertion_replayed`; `rate_limited` where a service has too many that are still good.
 */
export function openReplays(clock: Clock, most = MOST): UseOnce {
  const services = new Map<string, { used: Map<string, Used>; sweepAt: number }>()
  return (service, jti, exp) => {
    const now = clock()
    const memory = services.get(service) ?? { used: new Map(), sweepAt: Math.min(FEW, most) }
    services.set(service, memory)
    const { used } = memory
    const name = hash('sha256', jti, 'base64url')
    const before = used.get(name)
    if (before && !isOver(before, now)) throw new BrokerError('assertion_replayed')
    if (used.size >= memory.sweepAt) {
      for (const [each, use] of used) if (isOver(use, now)) used.delete(each)
      memory.sweepAt = Math.min(most, Math.max(FEW, 2 * used.size))
    }
    if (used.size >= most) throw new BrokerError('rate_limited')
    used.set(name, { at: now, for: (exp + LEEWAY) * 1000 - now.wall })
  }
}

/** By both clocks: one that jumps ahead and back again must not make an old assertion new. */
const isOver = ({ at, for: life }: Used, now: Instant): boolean =>
  Math.max(at.wall + life - now.wall, at.monotonic + life - now.monotonic) < 0
