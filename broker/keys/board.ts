import type { Seal } from '../tokens/sealed.ts'
import type { SharedSheets } from '../tokens/shared-store.ts'
import type { Posted } from './replicas.ts'

/** What stood there at a moment. */
export interface Sheet {
  /** As it is stored; null for nothing. */
  text: string | null
  posted: Posted | null
}

/** Where the replicas of one environment tell each other what they sign with and what was revoked. */
export interface Board {
  /** Rejects where it cannot be read in time, and where it was sealed with a secret that is not ours. */
  read: () => Promise<Sheet>
  /** Whether it stands there now: not where somebody else has posted since that sheet. Rejects where it cannot be had. */
  replace: (before: Sheet, next: Posted) => Promise<boolean>
}

interface Ports {
  store: SharedSheets
  seal: Seal
  /** The environment. */
  name: string
}

/** Milliseconds. It is for good: a store wants an end all the same. */
const LIFE = 10 * 365 * 24 * 60 * 60 * 1000

/** A board in the store that brokers share tokens in. Nobody without their secret can read it, or post. */
export function openBoard({ store, seal, name }: Ports): Board {
  const key = `keys:${name}`
  let last: Sheet = { text: null, posted: null }
  return {
    read: async () => {
      const text = (await store.get(key))?.value ?? null
      // It is looked at before each signature, and seldom another.
      if (text !== last.text) last = { text, posted: text === null ? null : opened(text) }
      return last
    },
    replace: ({ text }, next) => {
      const content = { lockstep: 'board', version: 1, posted: next }
      return store.replace(key, text, seal.seal(JSON.stringify(content), key), LIFE)
    },
  }

  function opened(text: string): Posted {
    const known = seal.open(text, key)
    const content = known === null ? null : JSON.parse(known)
    if (content?.lockstep !== 'board' || content.version !== 1)
      throw Object.assign(new Error('not a board of ours'), { code: 'UNREADABLE' })
    return content.posted
  }
}
