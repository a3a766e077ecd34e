import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { type Board, openBoard } from '../../broker/keys/board.ts'
import { openRedis, type RedisStore } from '../../broker/tokens/redis-store.ts'
import { sealWith } from '../../broker/tokens/sealed.ts'
import type { Redis } from './redis-server.ts'

const SECRET = randomBytes(32)

/** A board of one broker's own connection, until the test ends. A loaded machine has five seconds for a command. */
export async function boardIn(
  { url }: Pick<Redis, 'url'>,
  { name = 'nonprod', secret = SECRET }: { name?: string; secret?: Buffer } = {},
): Promise<Board & { store: RedisStore }> {
  const store = openRedis(
    { url, ca: null, prefix: 'test:' },
    { wait: each => wait(each < 100 ? 5_000 : each), onAway: () => {}, onBack: () => {} },
  )
  onTestFinished(() => store.close())
  await store.opened
  const seal = sealWith([secret], () => randomBytes(12))
  return { store, ...openBoard({ store, seal, name }) }
}
