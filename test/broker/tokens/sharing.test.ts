import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { openSharing } from '../../../broker/tokens/sharing.ts'
import { movedClock } from '../../support/clock.ts'
import { startRedis } from '../../support/redis.ts'

const ports = { clock: movedClock().clock, wait: async () => {}, log: pino({ enabled: false }) }

test('without a shared cache nothing is opened, and nothing needs to be closed', async () => {
  const sharing = openSharing(null, ports)
  await sharing.opened
  sharing.close()
})

test('with one, it is open before the broker is ready', async () => {
  const redis = await startRedis()
  const cache = { url: redis.url, ca: null, secrets: [randomBytes(32)], prefix: 'test:' }
  const sharing = openSharing(cache, ports)
  await expect(sharing.opened).resolves.toBeUndefined()
  sharing.close()
})
