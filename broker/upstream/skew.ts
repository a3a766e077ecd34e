import type { FastifyBaseLogger } from 'fastify'
import type { History } from './history.ts'
import type { Upstream } from './upstream.ts'

/** Seconds. Epic allows no leeway: an assertion is good for a clock of ours that is 60 s fast. */
const MOST_SKEW = 30

/** Keeps the clock of each EHR, and says once when it begins or ceases to be far from ours. */
export function tellSkew(history: History, log: FastifyBaseLogger) {
  return ({ id }: Upstream, skew: number): void => {
    const before = Math.abs(history.of(id).skew ?? 0) > MOST_SKEW
    const now = Math.abs(skew) > MOST_SKEW
    history.dated(id, skew)
    if (now !== before)
      log.warn({ upstream: id, skew }, now ? 'clocks differ' : 'clocks agree again')
  }
}
