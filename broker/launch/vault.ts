import { BrokerError } from '../errors.ts'
import type { Seal } from '../tokens/sealed.ts'
import type { Shelf } from './shelf.ts'

/** What was kept, opened, with the number by which it can be replaced. */
export interface Kept {
  text: string
  version: number
}

/** Values of ours, sealed under their names wherever they lie. Each refuses: `connection_store_failed`. */
export interface Vault {
  get: (name: string) => Promise<Kept | null>
  /** Whether it was kept: only in place of that version, or where there is none if it is null. */
  put: (name: string, text: string, version: number | null, until: number) => Promise<boolean>
  remove: (name: string) => Promise<void>
  /** Forgets what is over, and seals with the first key what an older one has sealed. */
  tidy: () => Promise<void>
  close: () => void
}

/** `onUnreadable` is told of what none of the seal keys opens: it is as good as gone. */
export function openVault(shelf: Shelf, seal: Seal, onUnreadable: () => void): Vault {
  const get: Vault['get'] = async name => {
    const row = await guarded(() => shelf.get(name))
    if (row === null) return null
    const text = seal.open(row.value, name)
    if (text === null) onUnreadable()
    return text === null ? null : { text, version: row.version }
  }
  return {
    get,
    put: (name, text, version, until) =>
      guarded(() => shelf.put(name, seal.seal(text, name), version, until)),
    remove: name => guarded(() => shelf.remove(name)),
    tidy: () =>
      guarded(async () => {
        await shelf.sweep()
        for await (const { key, value, version, until } of shelf.all()) {
          if (seal.isCurrent(value)) continue
          const text = seal.open(value, key)
          // Whoever has written meanwhile has sealed with the first key.
          if (text !== null) await shelf.put(key, seal.seal(text, key), version, until)
        }
      }),
    close: shelf.close,
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException
    throw new BrokerError(
      'connection_store_failed',
      { reason: String(code ?? name) },
      { cause: error },
    )
  }
}
