import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { BrokerError } from '../errors.ts'
import { replacePrivate } from '../files.ts'
import type { KeyState } from './state.ts'
import type { Drawer } from './state-keeper.ts'

/** Milliseconds since the epoch. */
const Moment = Type.Number({ minimum: 0, maximum: 8.64e15 })
const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const By = <T extends TSchema>(schema: T) => Type.Record(Type.String(), schema)
const Name = Type.String()
const Seconds = Type.Number({ minimum: 0 })

const Record = Type.Object({
  inUse: OrNull(Name),
  accepted: By(Moment),
  asked: By(Type.Object({ first: Moment, hasAnswered: Type.Boolean() })),
  refused: OrNull(Type.Object({ thumbprint: Name, times: Type.Integer({ minimum: 0 }) })),
  fallback: OrNull(Type.Object({ from: Name, until: Moment, delay: Type.Number({ minimum: 0 }) })),
})

const Sighting = Type.Object({
  liveSince: OrNull(Moment),
  lastPresent: OrNull(Moment),
  lastAbsent: OrNull(Moment),
})

const Watched = Type.Object({
  began: OrNull(Moment),
  lastRound: OrNull(Moment),
  lastTold: OrNull(Moment),
  sightings: By(Sighting),
  lives: Type.Array(Type.Object({ shared: Seconds, own: Seconds, first: Moment, last: Moment })),
})

const Rotation = Type.Object({
  id: Name,
  alg: Type.Enum(ALGS),
  role: Type.Enum(['signer', 'standby']),
  because: Type.Enum(['schedule', 'command', 'revocation']),
  asked: Moment,
  made: OrNull(Name),
  proposal: OrNull(Type.Integer()),
  proposedAt: Type.Optional(Moment),
})

const Withdrawal = Type.Object({
  thumbprint: Name,
  at: Moment,
  reason: Type.String(),
  release: OrNull(Type.String()),
  proposal: OrNull(Type.Integer()),
  isTakenBack: Type.Optional(Type.Boolean()),
})

const State = Type.Object({
  since: Moment,
  url: OrNull(Type.String()),
  watched: Watched,
  created: By(Moment),
  published: By(Type.Object({ kid: Type.String(), alg: Type.Enum(ALGS) })),
  records: By(Record),
  lastSigned: By(Moment),
  revoked: By(Type.Object({ at: Moment, reason: Type.String() })),
  promoted: Type.Array(Name),
  rotations: Type.Array(Rotation),
  proofs: By(Type.String()),
  withdrawals: Type.Array(Withdrawal),
  shared: Type.Optional(Type.Object({ id: Name, revision: Type.Integer({ minimum: 0 }) })),
})

/** What a file holds. A later Lockstep may add members; one that means something else has another version. */
const StateFile = Type.Object({
  lockstep: Type.Literal('key-state'),
  version: Type.Literal(1),
  environment: Type.String(),
  savedAt: Moment,
  state: State,
})

const schema = Compile(StateFile)

/** Bytes. A fleet of ten thousand hospitals has 5 MB. */
const MOST_BYTES = 256 * 1024 * 1024

export interface StateFolder {
  drawerOf: (environment: Environment) => Drawer
  /** Lets another process have it. */
  close: () => void
}

/** Told of a file that cannot be read: why, and the name under which it is kept. */
type OnSetAside = (facts: { file: string; reason: string; kept: string }) => void

/**
 * The folder of what was seen and signed, 0700, for this process alone until it ends, however it ends. Refused:
 * `state_in_use` while another process has it, `state_unusable`.
 */
export function openStateFolder(
  folder: string,
  { now, onSetAside }: { now: () => number; onSetAside: OnSetAside },
): StateFolder {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (wordOf(error) !== 'EEXIST') throw unusable(folder, error)
  }
  const lock = lockIn(folder)
  return {
    drawerOf: environment => drawerIn(folder, environment, { now, onSetAside }),
    close: () => {
      if (lock.isOpen) lock.close()
    },
  }
}

/** As it was saved last, without a claim to it: nothing is changed there. */
export const readOnly =
  (folder: string) =>
  (environment: Environment): Drawer => ({
    load: () => {
      const read = readState(fileIn(folder, environment), environment)
      return read !== null && 'state' in read ? read : null
    },
    save: () => {},
  })

/** The system lets go of SQLite's lock when the process ends, also by a kill, and takes it from nobody before. */
function lockIn(folder: string): DatabaseSync {
  let database: DatabaseSync
  try {
    database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
  } catch (error) {
    throw unusable(folder, error)
  }
  try {
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const { errcode } = error as { errcode?: number }
    if (errcode === SQLITE_BUSY)
      throw new BrokerError('state_in_use', { file: folder }, { cause: error })
    throw unusable(folder, error)
  }
  return database
}

const SQLITE_BUSY = 5

const unusable = (file: string, error: unknown): BrokerError =>
  new BrokerError('state_unusable', { file, reason: wordOf(error) }, { cause: error })

const wordOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown'

const fileIn = (folder: string, environment: Environment): string =>
  join(folder, `${environment}.json`)

function drawerIn(
  folder: string,
  environment: Environment,
  { now, onSetAside }: { now: () => number; onSetAside: OnSetAside },
): Drawer {
  const file = fileIn(folder, environment)
  return {
    load: () => {
      const read = readState(file, environment)
      if (read === null || 'state' in read) return read
      const kept = `${file}.${new Date(now()).toISOString().replaceAll(/[:.]/g, '')}.unreadable`
      renameSync(file, kept)
      onSetAside({ file, reason: read.reason, kept })
      return null
    },
    save: (state, savedAt) => {
      const content = { lockstep: 'key-state', version: 1, environment, savedAt, state }
      replacePrivate(file, `${JSON.stringify(content)}\n`, `${file}.new`)
    },
  }
}

/** The state; why it cannot be read; null where there is none. */
function readState(
  file: string,
  environment: Environment,
): { state: KeyState; savedAt: number } | { reason: string } | null {
  let value: unknown
  try {
    const stat = statSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return null
    if (!stat.isFile() || stat.size > MOST_BYTES) return { reason: 'not a file of ours' }
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    return { reason: error instanceof SyntaxError ? 'not whole' : wordOf(error) }
  }
  if (!schema.Check(value)) return { reason: 'not of this form' }
  if (value.environment !== environment) return { reason: `of ${value.environment.slice(0, 40)}` }
  return { state: value.state, savedAt: value.savedAt }
}
