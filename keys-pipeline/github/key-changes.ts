import { finding, PipelineError } from '../errors.ts'
import type { PublicKey } from '../jwk.ts'
import { ENVIRONMENTS, type Environment } from '../key-set.ts'
import { LIFECYCLE_FILE, type Lifecycle, parseLifecycle, serializeLifecycle } from '../lifecycle.ts'
import { openSource } from '../pipeline.ts'
import { sortEnvironmentFiles } from '../read.ts'

/** The folder of the environments, in the repository. */
export const KEYS_FOLDER = 'keys-pipeline/keys'

/** Keys that come to an environment or go from it. */
export interface KeyChange {
  environment: Environment
  /** Key files that come, by their name in the environment's folder; one that is there already is left as it is. */
  files: readonly { name: string; bytes: Buffer }[]
  /** What is to be told of keys, by thumbprint: one that is retired goes, and its file with it. */
  lifecycle: Lifecycle
}

/** The files of each environment, with their paths in the repository. */
export type CommittedKeys = Record<Environment, readonly { path: string; bytes: Buffer }[]>

export interface Applied {
  /** What is to be written; null takes the file away. */
  files: ReadonlyMap<string, Buffer | null>
  after: CommittedKeys
  come: readonly MovedKey[]
  go: readonly MovedKey[]
}

export interface MovedKey {
  environment: Environment
  key: PublicKey
  /** Why it goes. */
  reason: string | null
}

/** Letters that need no quoting anywhere; no part of it is `.` or `..`. */
const NAME = /^(?!.*(^|\/)\.{1,2}(\/|$))[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/

/**
 * The keys of a commit with these changes made. A key that the commit has and nobody speaks of stays: whoever proposes
 * may know an older commit. For the same reason an entry of `lifecycle.json` is only added or retired, never written
 * over.
 *
 * Refused: `file_unknown` (a name that leads out of the folder), `file_exists` (the name has other bytes there),
 * `lifecycle_unreadable`.
 */
export function applyChanges(before: CommittedKeys, changes: readonly KeyChange[]): Applied {
  const files = new Map<string, Buffer | null>()
  const come: MovedKey[] = []
  const go: MovedKey[] = []
  for (const change of changes) {
    const { environment } = change
    const there = new Map(before[environment].map(({ path, bytes }) => [path, bytes]))
    const lifecycle = recordOf(there, change, files)
    const reasonOf = ({ thumbprint }: PublicKey) => lifecycle[thumbprint]?.retired?.reason ?? null
    for (const [path, bytes] of filesThatCome(there, change)) {
      files.set(path, bytes)
      for (const key of keysIn(path, bytes)) come.push({ environment, key, reason: null })
    }
    for (const [path, bytes] of there) {
      const keys = keysIn(path, bytes)
      if (keys.length === 0 || keys.some(key => reasonOf(key) === null)) continue
      files.set(path, null)
      for (const key of keys) go.push({ environment, key, reason: reasonOf(key) })
    }
  }
  return { files, after: withFiles(before, files), come, go }
}

function filesThatCome(
  there: ReadonlyMap<string, Buffer>,
  { environment, files }: KeyChange,
): [string, Buffer][] {
  const refuse = (code: 'file_unknown' | 'file_exists', name: string, message: string) =>
    new PipelineError(finding(code, `${environment}/${name.slice(0, 200)}`, message))
  return files.flatMap(({ name, bytes }): [string, Buffer][] => {
    const path = `${KEYS_FOLDER}/${environment}/${name}`
    if (!NAME.test(name) || sortEnvironmentFiles([{ path, bytes }]).files.length === 0)
      throw refuse('file_unknown', name, 'is no name of a key file that can be proposed')
    const known = there.get(path)
    if (known === undefined) return [[path, bytes]]
    if (known.equals(bytes)) return []
    throw refuse('file_exists', name, 'the default branch has another file of this name')
  })
}

/** Puts the record among the files where it changes. */
function recordOf(
  there: ReadonlyMap<string, Buffer>,
  { environment, lifecycle }: KeyChange,
  files: Map<string, Buffer | null>,
): Lifecycle {
  const path = `${KEYS_FOLDER}/${environment}/${LIFECYCLE_FILE}`
  const text = there.get(path)?.toString('utf8')
  const known = text === undefined ? {} : parseLifecycle(text, path)
  const next = merged(known, lifecycle)
  if (serializeLifecycle(next) !== serializeLifecycle(known))
    files.set(path, Buffer.from(serializeLifecycle(next)))
  return next
}

function merged(known: Lifecycle, told: Lifecycle): Lifecycle {
  const entries = Object.entries(told).map(([print, entry]) => {
    const own = known[print]
    if (own === undefined || own.retired || !entry.retired) return [print, own ?? entry] as const
    return [print, { ...own, retired: entry.retired }] as const
  })
  return { ...known, ...Object.fromEntries(entries) }
}

const keysIn = (path: string, bytes: Buffer): PublicKey[] =>
  sortEnvironmentFiles([{ path, bytes }]).files.flatMap(source => openSource(source).keys)

function withFiles(
  before: CommittedKeys,
  files: ReadonlyMap<string, Buffer | null>,
): CommittedKeys {
  const [production, nonprod] = ENVIRONMENTS.map(environment => {
    const kept = before[environment].filter(({ path }) => !files.has(path))
    const written = [...files].flatMap(([path, bytes]) =>
      bytes !== null && path.startsWith(`${KEYS_FOLDER}/${environment}/`) ? [{ path, bytes }] : [],
    )
    return [...kept, ...written]
  })
  return { production: production ?? [], nonprod: nonprod ?? [] }
}
