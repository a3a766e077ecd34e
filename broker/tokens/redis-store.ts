import { loadRedis } from '../load-redis.ts'
import type { SharedSheets, SharedStore } from './shared-store.ts'

export interface RedisSettings {
  url: string
  /** PEM of the authorities trusted for it; null for the system's. */
  ca: string | null
  prefix: string
}

export interface RedisPorts {
  wait: (milliseconds: number) => Promise<void>
  /** Told once when the store ceases to answer, and why; never with a value or a password. */
  onAway: (reason: string) => void
  /** Told once when it answers again. */
  onBack: () => void
}

export interface RedisStore extends SharedStore, SharedSheets {
  /** Settles once there is a connection, or after a second without one. */
  opened: Promise<void>
  close: () => void
}

/** Milliseconds for one command, since a caller waits meanwhile. */
const COMMAND_DEADLINE = 45
/** Milliseconds for which a start waits for the first connection. */
const PATIENCE = 1_000
/**
 * Commands at once, each as a whole: the client's own limit counts the parts of a transaction, and where it refuses the
 * last one what follows becomes part of it.
 */
const MOST_UNDER_WAY = 2_000
/** Commands in a row without an answer to any, after which the connection is taken for dead. */
const MOST_MISSES = 10
/** Milliseconds. A connection on which nothing comes is ended, and one that is idle kept alive. */
const SILENCE = { most: 5_000, ping: 2_000 }
/** Milliseconds between tries to connect, doubled from the first to the most. */
const RECONNECT = { first: 50, most: 1_000 }

const LATE = Symbol('late')

const scriptsOf = ({ defineScript }: ReturnType<typeof loadRedis>) => ({
  /** The lock is deleted by its owner alone. @see https://redis.io/docs/latest/commands/set/ "Patterns" */
  unlock: defineScript({
    SCRIPT: `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`,
    NUMBER_OF_KEYS: 1,
    parseCommand: (parser, lock: string, owner: string) => {
      parser.pushKey(lock)
      parser.push(owner)
    },
    transformReply: (deleted: number) => deleted,
  }),

  /** What somebody else has put meanwhile is never written over. */
  replace: defineScript({
    SCRIPT: `local held = redis.call('get', KEYS[1]) or ''
if held ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`,
    NUMBER_OF_KEYS: 1,
    parseCommand: (parser, key: string, before: string, value: string, life: number) => {
      parser.pushKey(key)
      parser.push(before, value, `${life}`)
    },
    transformReply: (put: number) => put === 1,
  }),
})

/**
 * A Valkey or Redis. Commands are refused at once while it is away, and each has a deadline of its own: the client's
 * ends when the command is written, and then waits for ever.
 */
export function openRedis({ url, ca, prefix }: RedisSettings, ports: RedisPorts): RedisStore {
  const { wait, onAway, onBack } = ports
  const state = { isAway: false, isClosed: false, misses: 0, answers: 0, underWay: 0 }
  const redis = loadRedis()
  const client = redis.createClient({
    url,
    scripts: scriptsOf(redis),
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    pingInterval: SILENCE.ping,
    socket: {
      ...(ca !== null && { tls: true, ca }),
      connectTimeout: SILENCE.most,
      socketTimeout: SILENCE.most,
      reconnectStrategy: retries => Math.min(RECONNECT.first * 2 ** retries, RECONNECT.most),
    },
  })
  const connect = (): void => void client.connect().catch(() => {})
  const away = (error: unknown): void => {
    if (state.isAway || state.isClosed) return
    state.isAway = true
    onAway(reasonOf(error))
  }
  const back = (): void => {
    state.misses = 0
    if (!state.isAway) return
    state.isAway = false
    onBack()
  }
  const late = async (): Promise<typeof LATE> => {
    await wait(COMMAND_DEADLINE)
    // A process that was busy looks at what has arrived before it gives up.
    await wait(0)
    return LATE
  }
  const miss = (): void => {
    if (++state.misses < MOST_MISSES || state.isClosed) return
    state.misses = 0
    client.destroy()
    connect()
  }
  const bounded = async <T>(command: () => Promise<T>): Promise<T> => {
    if (state.underWay >= MOST_UNDER_WAY)
      throw Object.assign(new Error('too many commands at once'), { code: 'BUSY' })
    state.underWay++
    try {
      return await command()
    } finally {
      state.underWay--
    }
  }
  const run = async <T>(command: () => Promise<T>): Promise<T> => {
    const { answers } = state
    try {
      const result = await Promise.race([bounded(command), late()])
      if (result === LATE) {
        // Of many at once the last may be late on a connection that is well.
        if (state.answers === answers) miss()
        throw Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })
      }
      state.misses = 0
      state.answers++
      return result
    } catch (error) {
      away(error)
      throw error
    }
  }
  /** A store that can be read may still be full or a replica: it is back when it takes a value. */
  const write = async <T>(command: () => Promise<T>): Promise<T> => {
    const result = await run(command)
    back()
    return result
  }
  client.on('error', away)
  const ready = new Promise<void>(done => client.once('ready', () => done()))
  client.on('ready', back)
  connect()
  const lockOf = (key: string): string => `${prefix}lock:${key}`
  return {
    opened: Promise.race([ready, wait(PATIENCE)]),
    get: key =>
      run(async () => {
        const [value, left] = await client
          .multi()
          .get(prefix + key)
          .pTTL(prefix + key)
          .execTyped()
        // Without an end of its own it is none of ours.
        return typeof value === 'string' && left > 0 ? { value, left } : null
      }),
    put: async (key, value, life) =>
      void (await write(() => client.set(prefix + key, value, { PX: life }))),
    replace: (key, before, value, life) =>
      write(() => client.replace(prefix + key, before ?? '', value, life)),
    lock: (key, owner, life) =>
      write(async () => (await client.set(lockOf(key), owner, { NX: true, PX: life })) === 'OK'),
    unlock: async (key, owner) => void (await run(() => client.unlock(lockOf(key), owner))),
    close: () => {
      state.isClosed = true
      client.destroy()
    },
  }
}

/** The word for it alone: a message may quote what was sent. */
function reasonOf(error: unknown): string {
  const { code, message, name } = error as NodeJS.ErrnoException
  return code ?? /^[A-Z]{2,20}(?= )/.exec(message)?.[0] ?? name
}
