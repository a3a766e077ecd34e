import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'

/** How often something may happen: at a steady rate, and a few times at once. */
export interface Rate {
  perMinute: number
  burst: number
}

/** Takes one from a key's bucket. Returns 0 where there was one, else the milliseconds until there is. */
export type Take = (key: string, rate: Rate) => number

interface Bucket {
  left: number
  /** By the monotonic clock: nobody gets more because somebody sets the wall clock. */
  at: number
}

/** A bucket per key, full at first. Of more than `most` keys the one that was used longest ago is forgotten. */
export function openBuckets(clock: Clock, most: number): Take {
  const buckets = new LRUCache<string, Bucket>({ max: most })
  return (key, { perMinute, burst }) => {
    const now = clock().monotonic
    const perToken = 60_000 / perMinute
    const bucket = buckets.get(key)
    const held = bucket ? Math.min(burst, bucket.left + (now - bucket.at) / perToken) : burst
    const taken = held >= 1
    buckets.set(key, { left: taken ? held - 1 : held, at: now })
    return taken ? 0 : (1 - held) * perToken
  }
}
