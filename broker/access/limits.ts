import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { CallerLimits } from './access.ts'
import { openBuckets } from './token-bucket.ts'

/** Lets a request of a service in, and returns what to call when it ends. Refused: `rate_limited`. */
export type Admit = (service: string, limits: CallerLimits) => () => void

/** More services than a config has. */
const MOST_SERVICES = 10_000

/** Seconds after which a service that has too many requests under way should ask again. */
const SOON = 1

/** What each service asks, counted by the service alone, whoever else asks and from wherever it does. */
export function openLimits(clock: Clock): Admit {
  const take = openBuckets(clock, MOST_SERVICES)
  const underWay = new Map<string, number>()
  const leave = (service: string): void => {
    const left = (underWay.get(service) ?? 1) - 1
    if (left > 0) underWay.set(service, left)
    else underWay.delete(service)
  }
  return (service, { rateLimit, concurrency }) => {
    const now = underWay.get(service) ?? 0
    if (concurrency !== null && now >= concurrency) throw refusal(SOON)
    const wait = rateLimit === null ? 0 : take(service, rateLimit)
    if (wait > 0) throw refusal(Math.ceil(wait / 1000))
    underWay.set(service, now + 1)
    return () => leave(service)
  }
}

const refusal = (seconds: number): BrokerError =>
  new BrokerError('rate_limited', { retry_after: seconds })
