import { hash, timingSafeEqual } from 'node:crypto'
import Type from 'typebox'
import { Compile } from 'typebox/schema'
import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import { type Connection, keptUntil, readConnection } from './connection.ts'
import type { Vault } from './vault.ts'

/** A connection as it is kept, with the number by which it can be replaced. */
export interface Held {
  connection: Connection
  version: number
}

interface Ports {
  clock: Clock
  vault: Vault
  random: (bytes: number) => Buffer
}

/** The connections, and who may reach which of them: browsers by session, services by handle. */
export interface Keeper {
  newId: () => string
  keep: (connection: Connection) => Promise<void>
  /** A new session for it, never one that was known before the login; it takes over what the browser had. */
  openSession: (connection: Connection, before: string | undefined) => Promise<string>
  /** Those of this browser at this upstream, the latest first. */
  ofSession: (session: string | undefined, upstream: string) => Promise<Connection[]>
  /** Forgets them, and the session. */
  end: (session: string, upstream: string) => Promise<Connection[]>
  get: (id: string) => Promise<Held | null>
  /** What is kept now; null where somebody else was quicker, or ended it. */
  replace: (held: Held, next: Connection) => Promise<Held | null>
  remove: (id: string) => Promise<void>
  /** A code for that service, good once and for a minute, and what is kept of it. */
  newCode: (id: string, service: string) => { code: string; kept: Connection['code'] }
  /** The handle that the code stands for. Refused: `connection_code_unknown`, `connection_code_of_another`. */
  redeem: (code: string, service: string) => Promise<{ handle: string; connection: Connection }>
  /** Refused: `connection_unknown`, `connection_of_another`. */
  byHandle: (handle: string, service: string) => Promise<Held>
}

/** Random bytes. */
const LENGTHS = { id: 16, secret: 32 }
/** Milliseconds. The browser takes it straight to the service. */
const CODE_LIFE = 60_000
/** Connections of one browser at one upstream: an open tab each. Those before them end by themselves. */
const MOST = 20
const SESSION_LIFE = 400 * 24 * 60 * 60 * 1000

const ids = Compile(Type.Array(Type.String()))

export function openKeeper({ clock, vault, random }: Ports): Keeper {
  const token = (bytes: number): string => random(bytes).toString('base64url')
  const now = (): number => clock().wall
  const get: Keeper['get'] = async id => {
    const kept = await vault.get(nameOf(id))
    const connection = kept && readConnection(kept.text)
    return kept && connection ? { connection, version: kept.version } : null
  }
  const replace: Keeper['replace'] = async ({ version }, next) => {
    const until = keptUntil(next, now())
    const isKept = await vault.put(nameOf(next.id), JSON.stringify(next), version, until)
    return isKept ? { connection: next, version: version + 1 } : null
  }
  const listOf = async (session: string, upstream: string): Promise<string[]> => {
    const kept = await vault.get(sessionName(session, upstream))
    const list: unknown = kept === null ? [] : JSON.parse(kept.text)
    return ids.Check(list) ? list : []
  }
  const ofSession: Keeper['ofSession'] = async (session, upstream) => {
    if (session === undefined) return []
    const found = await Promise.all((await listOf(session, upstream)).map(get))
    return found.flatMap(held => held?.connection ?? [])
  }
  return {
    ...{ get, replace, ofSession },
    newId: () => token(LENGTHS.id),
    keep: async connection => {
      const until = keptUntil(connection, now())
      await vault.put(nameOf(connection.id), JSON.stringify(connection), null, until)
    },
    openSession: async ({ id, upstream }, before) => {
      const session = token(LENGTHS.secret)
      const earlier = before === undefined ? [] : await listOf(before, upstream)
      const list = JSON.stringify([id, ...earlier].slice(0, MOST))
      await vault.put(sessionName(session, upstream), list, null, now() + SESSION_LIFE)
      if (before !== undefined) await vault.remove(sessionName(before, upstream))
      return session
    },
    end: async (session, upstream) => {
      const ended = await ofSession(session, upstream)
      for (const { id } of ended) await vault.remove(nameOf(id))
      await vault.remove(sessionName(session, upstream))
      return ended
    },
    remove: id => vault.remove(nameOf(id)),
    newCode: (id, service) => {
      const secret = token(LENGTHS.secret)
      const kept = { service, hash: hashOf(secret), until: now() + CODE_LIFE }
      return { code: `${id}.${secret}`, kept }
    },
    redeem: async (code, service) => {
      const [id, secret] = split(code)
      const held = id === null ? null : await get(id)
      const known = held?.connection.code ?? null
      if (!held || !known || !matches(secret, known.hash) || known.until <= now())
        throw new BrokerError('connection_code_unknown')
      // Whoever it was shown to, it is spent: a code that has leaked is no use to its finder's next try.
      const mine = known.service === service ? token(LENGTHS.secret) : null
      const handle = mine === null ? null : { service, hash: hashOf(mine) }
      const next = { ...held.connection, code: null, handle }
      if (!(await replace(held, next))) throw new BrokerError('connection_code_unknown')
      if (mine === null) throw new BrokerError('connection_code_of_another')
      return { handle: `${id}.${mine}`, connection: next }
    },
    byHandle: async (handle, service) => {
      const [id, secret] = split(handle)
      const held = id === null ? null : await get(id)
      const known = held?.connection.handle ?? null
      if (!held || !known || !matches(secret, known.hash))
        throw new BrokerError('connection_unknown')
      if (known.service !== service) throw new BrokerError('connection_of_another')
      return held
    },
  }
}

const nameOf = (id: string): string => `connection:${id}`

/** By its hash: who reads the store has no session of anybody. */
const sessionName = (session: string, upstream: string): string =>
  `session:${hashOf(session)}:${upstream}`

const hashOf = (secret: string): string => hash('sha256', secret, 'hex')

const matches = (secret: string, known: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(known))

/** An id of ours and a secret; what has another form is nobody's. */
function split(text: string): [string | null, string] {
  const [, id = null, secret = ''] = /^([\w-]{22})\.([\w-]{43})$/.exec(text) ?? []
  return [id, secret]
}
