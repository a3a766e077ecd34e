import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import { type Finding, finding, PipelineError } from './errors.ts'
import type { PublicKey } from './jwk.ts'
import { privateInText } from './private-material.ts'
import { readPlainFile } from './read.ts'

/** ISO 8601, UTC, to the second. */
const Time = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' })
const Jws = Type.String({
  maxLength: 4096,
  pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$',
})
const Reason = Type.String({ minLength: 1, maxLength: 500 })

const Retired = Type.Object(
  {
    at: Time,
    reason: Reason,
    /** A release by a key that stays: this one has stopped signing. */
    release: Type.Optional(Jws),
    /** Nobody released it: the team has no broker, and says so. */
    unreleased: Type.Optional(Type.Literal(true)),
    /** Gone at once, whether it still signs or not. */
    emergency: Type.Optional(Type.Literal(true)),
    /** Since when a key that stays has been live, by the custodian's word, where no record tells. */
    liveSince: Type.Optional(Time),
  },
  { additionalProperties: false },
)

const Entry = Type.Object(
  {
    kid: Type.String(),
    /** When the key was made, or added where that is not known. */
    created: Time,
    role: Type.Union([Type.Literal('signer'), Type.Literal('standby')]),
    /** Proof of possession: whoever added the key holds its private half. */
    proof: Type.Optional(Jws),
    retired: Type.Optional(Retired),
  },
  { additionalProperties: false },
)

const Document = Type.Object(
  {
    keys: Type.Record(Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }), Entry, {
      additionalProperties: false,
    }),
  },
  { additionalProperties: false },
)

const document = Compile(Document)

export type LifecycleEntry = Static<typeof Entry>
export type Role = LifecycleEntry['role']
export type Retirement = Static<typeof Retired>
/**
 * What is told of each key, by thumbprint, kept in a file beside the keys, so that a build needs no clock. A key that
 * is retired keeps its entry for ever: neither it nor its kid comes back.
 */
export type Lifecycle = Readonly<Record<string, LifecycleEntry>>

export const LIFECYCLE_FILE = 'lifecycle.json'

/** A missing file is an empty one. Refused: `lifecycle_unreadable`. */
export function readLifecycle(folder: string, show: (path: string) => string): Lifecycle {
  const path = join(folder, LIFECYCLE_FILE)
  const text = textOf(path, show)
  return text === null ? {} : parseLifecycle(text, show(path))
}

function textOf(path: string, show: (path: string) => string): string | null {
  try {
    return readPlainFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR') return null
    throw unreadable(show(path), `cannot be read (${code})`)
  }
}

/**
 * What the file says, which lies anywhere. Refused: `lifecycle_unreadable`; `private_member` where a reason or any other
 * text in it holds private material.
 */
export function parseLifecycle(text: string, file: string): Lifecycle {
  const [secret] = privateInText(text)
  if (secret)
    throw new PipelineError(
      finding('private_member', file, `private material: ${secret.names.join(', ')}`, secret.kid),
    )
  const value = jsonIn(text, file)
  const [good, errors] = document.Errors(value)
  if (!good)
    throw unreadable(
      file,
      `${errors[0]?.instancePath || '/'} ${errors[0]?.message ?? 'is not in the expected form'}`,
    )
  const { keys } = value as Static<typeof Document>
  for (const [print, { created, retired }] of Object.entries(keys)) {
    const times = { created, 'retired/at': retired?.at, 'retired/liveSince': retired?.liveSince }
    const odd = Object.entries(times).find(([, time]) => time !== undefined && !isTime(time))
    if (odd) throw unreadable(file, `/keys/${print}/${odd[0]} is no time that there is`)
  }
  return keys
}

function jsonIn(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unreadable(file, 'not valid JSON')
  }
}

const unreadable = (file: string, message: string): PipelineError =>
  new PipelineError(finding('lifecycle_unreadable', file, message))

/**
 * One environment's keys against its own past: `retired_key_returns`; `kid_changed` where a kid that another key had
 * comes back, or a key is called otherwise than when it was added.
 */
export function judgeReturns(keys: readonly PublicKey[], lifecycle: Lifecycle): Finding[] {
  const entries = Object.entries(lifecycle)
  return keys.flatMap(({ jwk: { kid }, thumbprint, file }) => {
    const own = lifecycle[thumbprint]
    if (own?.retired)
      return [finding('retired_key_returns', file, `was retired on ${own.retired.at}`, kid)]
    if (own && own.kid !== kid)
      return [finding('kid_changed', file, `the key was added as kid ${own.kid}`, kid)]
    const namesake = entries.find(([print, entry]) => entry.kid === kid && print !== thumbprint)
    if (!namesake) return []
    return [finding('kid_changed', file, `kid ${kid} was another key’s (${namesake[0]})`, kid)]
  })
}

/** The form is right and the calendar has it: 2026-02-30 is moved by Date, and so is not the same again. */
export const isTime = (text: string): boolean =>
  !Number.isNaN(Date.parse(text)) && timestamp(Date.parse(text)) === text

export function serializeLifecycle(lifecycle: Lifecycle): string {
  const keys = Object.fromEntries(Object.entries(lifecycle).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ keys }, null, 2)}\n`
}

/** Milliseconds since the epoch, to the second, as the lifecycle file writes it. */
export const timestamp = (now: number): string => `${new Date(now).toISOString().slice(0, 19)}Z`
