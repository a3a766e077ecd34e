import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import { finding, PipelineError } from './errors.ts'
import { readPlainFile } from './read.ts'

const Entry = Type.Object(
  {
    kid: Type.String(),
    /** When the key was made, or added where that is not known. ISO 8601, UTC. */
    created: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' }),
    role: Type.Union([Type.Literal('signer'), Type.Literal('standby')]),
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

export type Role = 'signer' | 'standby'
export type LifecycleEntry = Static<typeof Entry>
/** What people are told of each key, by thumbprint; kept in a file beside the keys, so that a build needs no clock. */
export type Lifecycle = Readonly<Record<string, LifecycleEntry>>

export const LIFECYCLE_FILE = 'lifecycle.json'

/** A missing file is an empty one. Refused: `lifecycle_unreadable`. */
export function readLifecycle(folder: string, show: (path: string) => string): Lifecycle {
  const path = join(folder, LIFECYCLE_FILE)
  const refuse = (message: string) =>
    new PipelineError(finding('lifecycle_unreadable', show(path), message))
  const value = parse(path, refuse)
  if (value === null) return {}
  const [good, errors] = document.Errors(value)
  if (!good)
    throw refuse(
      `${errors[0]?.instancePath || '/'} ${errors[0]?.message ?? 'is not in the expected form'}`,
    )
  const { keys } = value as Static<typeof Document>
  const odd = Object.entries(keys).find(([, { created }]) => !isTime(created))
  if (odd) throw refuse(`/keys/${odd[0]}/created is no time that there is`)
  return keys
}

function parse(path: string, refuse: (message: string) => PipelineError): unknown {
  let text: string | null
  try {
    text = readPlainFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR') return null
    throw refuse(`cannot be read (${code})`)
  }
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch {
    throw refuse('not valid JSON')
  }
}

/** The form is right and the calendar has it: 2026-02-30 is moved by Date, and so is not the same again. */
const isTime = (text: string): boolean =>
  !Number.isNaN(Date.parse(text)) && timestamp(Date.parse(text)) === text

export function serializeLifecycle(lifecycle: Lifecycle): string {
  const keys = Object.fromEntries(Object.entries(lifecycle).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ keys }, null, 2)}\n`
}

/** Milliseconds since the epoch, to the second, as the lifecycle file writes it. */
export const timestamp = (now: number): string => `${new Date(now).toISOString().slice(0, 19)}Z`
