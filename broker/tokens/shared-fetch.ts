import Type from 'typebox'
import { Compile } from 'typebox/schema'
import { type Clock, type Instant, remaining } from '../clock.ts'
import type { UpstreamToken } from '../upstream/exchange.ts'
import type { Seal } from './sealed.ts'
import type { SharedStore } from './shared-store.ts'

/** Where a token came from that was not at hand: from another broker, or from the EHR. */
export type Source = 'shared' | 'upstream'

export interface Ask {
  key: string
  /** Seconds that a call to the EHR has. */
  deadline: number
  /** Whether a token of another broker's will do. */
  isGood: (token: UpstreamToken) => boolean
  /** The call to the EHR. */
  exchange: () => Promise<UpstreamToken>
}

export type Share = (ask: Ask) => Promise<{ token: UpstreamToken; source: Source }>

/** A broker that shares with nobody. */
export const direct: Share = async ({ exchange }) => ({
  token: await exchange(),
  source: 'upstream',
})

/** Milliseconds by which a lock outlives the call that it is held for. */
const MARGIN = 5_000
/** Milliseconds between two looks at a lock that another broker holds. */
const POLL = 50

interface Ports {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  store: SharedStore
  seal: Seal
  /** Unlike any other in any broker. */
  newOwner: () => string
}

/**
 * A token that another broker has put into the store, else one from the EHR, put there for the others. One broker calls
 * at a time and the others wait for it, as long as its call may take. With any trouble of the store each calls for itself.
 */
export function shareThrough(ports: Ports): Share {
  return async ask => {
    const owner = ports.newOwner()
    const found = await findOrLock(ask, owner, ports).catch(() => null)
    if (found !== null) return { token: found, source: 'shared' }
    const { store } = ports
    try {
      const token = await ask.exchange()
      // The callers have their token, and do not wait for a store.
      void handOver(ask.key, token, ports).then(() => release(store, ask.key, owner))
      return { token, source: 'upstream' }
    } catch (error) {
      void release(store, ask.key, owner)
      throw error
    }
  }
}

/** A token that will do, or null once this broker is the one to call the EHR. */
async function findOrLock(
  { key, deadline, isGood }: Ask,
  owner: string,
  { clock, wait, store, seal }: Ports,
): Promise<UpstreamToken | null> {
  const look = async (): Promise<UpstreamToken | null> => {
    const token = opened(await store.get(key), key, seal, clock())
    return token !== null && isGood(token) ? token : null
  }
  const began = clock()
  for (;;) {
    const found = await look()
    if (found !== null) return found
    // Between the look and the lock another may have put one and let go.
    if (await store.lock(key, owner, deadline * 1000 + MARGIN)) {
      const late = await look()
      if (late !== null) void release(store, key, owner)
      return late
    }
    if (remaining(began, deadline * 1000, clock()) <= 0) return null
    await wait(POLL)
  }
}

/** A lock whose SET was answered too late is ours as well, so that every owner lets go. */
const release = (store: SharedStore, key: string, owner: string): Promise<void> =>
  store.unlock(key, owner).catch(() => {})

async function handOver(
  key: string,
  token: UpstreamToken,
  { clock, store, seal }: Ports,
): Promise<void> {
  const left = remaining(token.sentAt, token.life * 1000, clock())
  if (left <= 0) return
  const { accessToken, life, scope, kid, sentAt } = token
  const text = JSON.stringify({ accessToken, life, scope, kid, sentAt: sentAt.wall })
  await store.put(key, seal.seal(text, key), Math.ceil(left)).catch(() => {})
}

const stored = Compile(
  Type.Object({
    accessToken: Type.String({ minLength: 1 }),
    life: Type.Integer({ minimum: 1 }),
    scope: Type.String(),
    kid: Type.String(),
    sentAt: Type.Number(),
  }),
)

/** Milliseconds by which another broker's clock may be ahead of ours. */
const MOST_AHEAD = 30_000

/** Between processes only the wall clock counts. What does not open or is from the future is as good as nothing. */
function opened(
  sealed: string | null,
  key: string,
  seal: Seal,
  now: Instant,
): UpstreamToken | null {
  const text = sealed === null ? null : seal.open(sealed, key)
  const value: unknown = text === null ? null : parsed(text)
  if (!stored.Check(value)) return null
  const { accessToken, life, scope, kid, sentAt } = value
  const age = now.wall - sentAt
  if (age < -MOST_AHEAD) return null
  const since = Math.max(0, age)
  return {
    ...{ accessToken, life, scope, kid },
    sentAt: { wall: now.wall - since, monotonic: now.monotonic - since },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
