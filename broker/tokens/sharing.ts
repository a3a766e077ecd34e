import { randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import type { SharedCache } from '../shared-cache-config.ts'
import { openRedis } from './redis-store.ts'
import { type Seal, sealWith } from './sealed.ts'
import { direct, type Share, shareThrough } from './shared-fetch.ts'
import type { SharedSheets } from './shared-store.ts'

interface Ports {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  log: FastifyBaseLogger
}

/** The store that brokers share, and what seals what is in it. */
export interface Shared {
  store: SharedSheets
  seal: Seal
}

/** What other brokers have; without a shared cache, nothing. */
export function openSharing(
  sharedCache: SharedCache | null,
  { clock, wait, log }: Ports,
): { share: Share; shared: Shared | null; opened: Promise<void>; close: () => void } {
  if (sharedCache === null)
    return { share: direct, shared: null, opened: Promise.resolve(), close: () => {} }
  const store = openRedis(sharedCache, {
    wait,
    onAway: reason => log.warn({ reason }, 'shared cache is away: each broker asks for itself'),
    onBack: () => log.info('shared cache is back'),
  })
  const seal = sealWith(sharedCache.secrets, () => randomBytes(12))
  const share = shareThrough({ clock, wait, store, seal, newOwner: randomUUID })
  return { share, shared: { store, seal }, opened: store.opened, close: store.close }
}
