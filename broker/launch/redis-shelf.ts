import { loadRedis } from '../load-redis.ts'
import type { RedisPorts, RedisSettings } from '../tokens/redis-store.ts'
import type { Shelf } from './shelf.ts'

/** Milliseconds for one command: a user waits, and what is kept here is kept nowhere else. */
const DEADLINE = 2_000
/** Milliseconds. A connection on which nothing comes is ended, and one that is idle kept alive. */
const SILENCE = { most: 5_000, ping: 2_000 }
/** Milliseconds between tries to connect, doubled from the first to the most. */
const RECONNECT = { first: 50, most: 1_000 }

/** One step: nobody reads between the look at the version and the write. */
const putOf = ({ defineScript }: ReturnType<typeof loadRedis>) =>
  defineScript({
    SCRIPT: `
    local version = redis.call('hget', KEYS[1], 'version')
    if ARGV[2] == '' and version then return 0 end
    if ARGV[2] ~= '' and version ~= ARGV[2] then return 0 end
    redis.call('hset', KEYS[1], 'value', ARGV[1], 'version', string.format('%d', (version or 0) + 1))
    redis.call('pexpireat', KEYS[1], ARGV[3])
    return 1`,
    NUMBER_OF_KEYS: 1,
    parseCommand: (parser, key: string, value: string, version: string, until: string) => {
      parser.pushKey(key)
      parser.push(value, version, until)
    },
    transformReply: (written: number) => written === 1,
  })

/**
 * A Valkey or Redis that several brokers share. It must keep what it is given when it restarts (`appendonly yes`), and
 * throw nothing away for want of memory (`maxmemory-policy noeviction`): there is no other copy.
 */
export function openRedisShelf({ url, ca, prefix }: RedisSettings, ports: RedisPorts): Shelf {
  const state = { isAway: false, isClosed: false }
  const redis = loadRedis()
  const client = redis.createClient({
    ...{
      url,
      scripts: { put: putOf(redis) },
      disableOfflineQueue: true,
      commandsQueueMaxLength: 1_000,
    },
    ...{ maintNotifications: 'disabled', pingInterval: SILENCE.ping },
    socket: {
      ...(ca !== null && { tls: true, ca }),
      connectTimeout: SILENCE.most,
      socketTimeout: SILENCE.most,
      reconnectStrategy: retries => Math.min(RECONNECT.first * 2 ** retries, RECONNECT.most),
    },
  })
  client.on('error', error => {
    if (state.isAway || state.isClosed) return
    state.isAway = true
    ports.onAway((error as NodeJS.ErrnoException).code ?? (error as Error).name)
  })
  client.on('ready', () => {
    if (state.isAway) ports.onBack()
    state.isAway = false
  })
  const ready = client.connect().catch(() => {})
  const run = async <T>(command: () => Promise<T>): Promise<T> => {
    const late = async (): Promise<never> => {
      await ports.wait(DEADLINE)
      throw Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })
    }
    // The first command may come before the connection is there.
    return Promise.race([ready.then(command), late()])
  }
  const nameOf = (key: string): string => `${prefix}connections:${key}`
  const rowAt = async (name: string) => {
    const [value, version] = await run(() => client.hmGet(name, ['value', 'version']))
    return value && version ? { value, version: Number(version) } : null
  }
  return {
    get: key => rowAt(nameOf(key)),
    put: (key, value, version, until) =>
      run(() =>
        client.put(nameOf(key), value, version === null ? '' : `${version}`, `${Math.ceil(until)}`),
      ),
    remove: async key => void (await run(() => client.del(nameOf(key)))),
    all: async function* () {
      const names = client.scanIterator({ MATCH: `${nameOf('')}*`, COUNT: 100 })
      for await (const batch of names)
        for (const name of batch) {
          const row = await rowAt(name)
          const until = await run(() => client.pExpireTime(name))
          if (row !== null && until > 0) yield { ...row, key: name.slice(nameOf('').length), until }
        }
    },
    // The store forgets by itself.
    sweep: async () => {},
    close: () => {
      state.isClosed = true
      client.destroy()
    },
  }
}
