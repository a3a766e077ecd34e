import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import { BrokerError } from '../errors.ts'
import { readTextIfAny, replaceFile } from '../files.ts'
import type { Fields } from './merge.ts'

/** What import knows of one hospital from the last time. */
export interface Imported {
  id: string
  /** What it wrote, or found there already: what differs from it was changed by hand. */
  wrote: Fields
  /** The client ID with which the token endpoint in it was found; null where none was. */
  foundAs: string | null
  /** SHA-256 of the file as it wrote it; null where the file was never its own. */
  sha256: string | null
}

/** By FHIR base. */
export type ImportRecord = ReadonlyMap<string, Imported>

const NAME = '.import.json'

/** Bytes. 20,000 hospitals with a few scopes each are half of that. */
export const MOST_RECORD_BYTES = 32 * 1024 * 1024

const Stored = Type.Object({
  version: Type.Literal(1),
  upstreams: Type.Record(
    Type.String(),
    Type.Object({
      id: Type.String(),
      wrote: Type.Object({}),
      foundAs: Type.Union([Type.String(), Type.Null()]),
      sha256: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})
const stored = Compile(Stored)

/** The record beside the upstreams; empty where there is none. Refused: `file_unreadable`. */
export function readRecord(folder: string): ImportRecord {
  const file = join(folder, NAME)
  const text = readTextIfAny(file, MOST_RECORD_BYTES)
  if (text === null) return new Map()
  try {
    const value: unknown = JSON.parse(text)
    if (stored.Check(value))
      return new Map(Object.entries((value as Static<typeof Stored>).upstreams))
  } catch {}
  const reason = 'it is not a record of imports: restore it from the last commit'
  throw new BrokerError('file_unreadable', { file, reason })
}

/** Sorted, a hospital a few lines, so that a change of one is seen as one. Refused: `file_not_written`. */
export function writeRecord(folder: string, record: ImportRecord): void {
  const upstreams = Object.fromEntries([...record].sort(([one], [other]) => (one < other ? -1 : 1)))
  replaceFile(join(folder, NAME), `${JSON.stringify({ version: 1, upstreams }, null, 2)}\n`)
}
