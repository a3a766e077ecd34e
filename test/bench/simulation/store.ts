import type { SharedSheets, SharedStore } from '../../../broker/tokens/shared-store.ts'
import type { VirtualTime } from './time.ts'

/** What a broker asks of redis, each a round trip. */
export type Command = 'look' | 'lock' | 'put' | 'unlock' | 'read_board' | 'post_board'

/** In virtual time, what `redis-store.ts` is to a Valkey or Redis. */
export interface SimulatedStore extends SharedStore, SharedSheets {
  /** Refuses everything at once, as a connection that is gone. */
  goAway: () => void
  /** Again, empty. */
  comeBack: () => void
  /** Bytes of all values together. */
  size: () => number
}

interface Ports {
  time: VirtualTime
  /** Milliseconds, there and back. */
  roundTrip: number
  /** Told of each, with the bytes of the value that goes one way or the other. */
  onCommand: (command: Command, bytes: number) => void
}

interface Value {
  value: string
  end: number
}

export function simulatedStore({ time, roundTrip, onCommand }: Ports): SimulatedStore {
  const values = new Map<string, Value>()
  let isAway = false
  const refuse = (): void => {
    if (isAway) throw new Error('away')
  }
  const command = async <T>(work: () => T): Promise<T> => {
    refuse()
    await time.wait(roundTrip / 2)
    refuse()
    const result = work()
    await time.wait(roundTrip / 2)
    refuse()
    return result
  }
  const held = (key: string): Value | undefined => {
    const found = values.get(key)
    if (found !== undefined && found.end > time.now()) return found
    values.delete(key)
    return undefined
  }
  const put = (key: string, value: string, life: number): void =>
    void values.set(key, { value, end: time.now() + life })
  return {
    get: key =>
      command(() => {
        const found = held(key)
        const isBoard = key.startsWith('keys:')
        onCommand(isBoard ? 'read_board' : 'look', found?.value.length ?? 0)
        return found ? { value: found.value, left: found.end - time.now() } : null
      }),
    put: (key, value, life) =>
      command(() => {
        onCommand('put', value.length)
        put(key, value, life)
      }),
    replace: (key, before, value, life) =>
      command(() => {
        onCommand('post_board', value.length + (before?.length ?? 0))
        if ((held(key)?.value ?? null) !== before) return false
        put(key, value, life)
        return true
      }),
    lock: (key, owner, life) =>
      command(() => {
        onCommand('lock', owner.length)
        if (held(`lock:${key}`)) return false
        put(`lock:${key}`, owner, life)
        return true
      }),
    unlock: (key, owner) =>
      command(() => {
        onCommand('unlock', owner.length)
        if (held(`lock:${key}`)?.value === owner) values.delete(`lock:${key}`)
      }),
    goAway: () => {
      isAway = true
    },
    comeBack: () => {
      isAway = false
      values.clear()
    },
    size: () => [...values.values()].reduce((sum, { value }) => sum + value.length, 0),
  }
}
