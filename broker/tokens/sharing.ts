import { randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import type { SharedCache } from '../shared-cache-config.ts'
import { openRedis } from './redis-store.ts'
import { sealWith } from './sealed.ts'
import { direct, type Share, shareThrough } from './shared-fetch.ts'

interface Ports {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  log: FastifyBaseLogger
}

/** What other brokers have; without a shared cache, nothing. */
export function openSharing(
  sharedCache: SharedCache | null,
  { clock, wait, log }: Ports,
): { share: Share; opened: Promise<void>; close: () => void } {
  if (sharedCache === null) return { share: direct, opened: Promise.resolve(), close: () => {} }
  const store = openRedis(sharedCache, {
    wait,
    onAway: reason => log.warn({ reason }, 'shared cache is away: each broker asks for itself'),
    onBack: () => log.info('shared cache is back'),
  })
  const seal = sealWith(sharedCache.secrets, () => randomBytes(12))
  const share = shareThrough({ clock, wait, store, seal, newOwner: randomUUID })
  return { share, opened: store.opened, close: store.close }
}
