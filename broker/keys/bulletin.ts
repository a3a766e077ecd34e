import type { Seal } from '../tokens/sealed.ts'
import type { SharedStore } from '../tokens/shared-store.ts'
import type { ReplicaReport } from './retirement.ts'

/** What each replica tells the others of itself. Times are milliseconds since the epoch. */
export interface Report extends ReplicaReport {
  /** From when on its ledger is complete. */
  since: number
  /** By thumbprint. */
  lastSigned: Readonly<Record<string, number>>
  /** Thumbprints of the keys that it can sign with. */
  usable: readonly string[]
  /** Thumbprints of the keys of which it knows that they were revoked. */
  acknowledged: readonly string[]
}

/** What all replicas of one environment know together. */
export interface Bulletin {
  reports: Readonly<Record<string, Report>>
  /** By thumbprint, for ever. */
  revoked: Readonly<Record<string, { at: number; reason: string }>>
  /** Thumbprints of standbys that sign since a revocation. */
  promoted: readonly string[]
}

export const NO_BULLETIN: Bulletin = { reports: {}, revoked: {}, promoted: [] }

interface Ports {
  store: SharedStore
  seal: Seal
  wait: (milliseconds: number) => Promise<void>
  /** Of this process alone. */
  owner: string
  /** Names the environment. */
  name: string
}

export interface BulletinBoard {
  /** What stands there; rejects where the store cannot be read. */
  read: () => Promise<Bulletin>
  /**
   * Adds to what stands there and answers with the whole. A report replaces the one of the same replica; revocations
   * and promotions only ever come. Rejects where the store cannot be had.
   */
  post: (news: Partial<Bulletin>) => Promise<Bulletin>
}

/** Milliseconds that it stands there without news: longer than any report matters. */
const LIFE = 31 * 24 * 60 * 60 * 1000
/** Milliseconds that a post may take, and between two tries to be the one that posts. */
const [LOCK_LIFE, RETRY] = [5_000, 50]
const MOST_TRIES = 40

/** The state that several brokers share, in the store that they share tokens in. What was flushed comes again with the next posts. */
export function openBulletin({ store, seal, wait, owner, name }: Ports): BulletinBoard {
  const key = `keys:${name}`
  const read = async (): Promise<Bulletin> => {
    const stored = await store.get(key)
    const text = stored === null ? null : seal.open(stored.value, key)
    return text === null ? NO_BULLETIN : JSON.parse(text)
  }
  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let nth = 1; nth <= MOST_TRIES; nth++) {
      if (await store.lock(key, owner, LOCK_LIFE)) {
        try {
          return await work()
        } finally {
          await store.unlock(key, owner).catch(() => {})
        }
      }
      await wait(RETRY)
    }
    throw new Error('others are posting without end')
  }
  return {
    read,
    post: news =>
      locked(async () => {
        const next = joined(await read(), news)
        await store.put(key, seal.seal(JSON.stringify(next), key), LIFE)
        return next
      }),
  }
}

/** The first word of a revocation stays: its time and reason are what was told. */
function joined(before: Bulletin, news: Partial<Bulletin>): Bulletin {
  return {
    reports: { ...before.reports, ...news.reports },
    revoked: { ...news.revoked, ...before.revoked },
    promoted: [...new Set([...before.promoted, ...(news.promoted ?? [])])],
  }
}
