import {
  appendFileSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { BrokerError, type ErrorCode } from './errors.ts'

/** A plain file as text, of at most so many bytes. Links are followed: a mounted ConfigMap is made of them. */
export function readText(path: string, most: number): string {
  return guarded('file_unreadable', path, () => {
    const stat = statSync(path)
    if (!stat.isFile()) throw because('not a plain file')
    if (stat.size > most) throw because(`${stat.size} bytes; at most ${most}`)
    return readFileSync(path, 'utf8')
  })
}

/**
 * Whether nobody but us and root can read or change a file. One of root's may be read by its group: so Kubernetes
 * gives secrets to a process that is not root, and nobody else is in that group.
 *
 * @see PostgreSQL, ssl_key_file: the same rule
 */
export const isPrivate = ({ mode, uid }: { mode: number; uid: number }): boolean =>
  (mode & 0o077) === 0 || (uid === 0 && (mode & 0o037) === 0)

/** Whether there is anything of that name. */
export const isThere = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false }) !== undefined

/** As `readText`; null where there is no such file. */
export function readTextIfAny(path: string, most: number): string | null {
  return statSync(path, { throwIfNoEntry: false }) ? readText(path, most) : null
}

/** The names in a folder, in a fixed order; null where there is no such folder. Refused: `file_unreadable`. */
export function namesIn(folder: string): string[] | null {
  return guarded('file_unreadable', folder, () =>
    statSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder).sort() : null,
  )
}

/** A file that is not there yet: one that somebody made is kept. Refused: `file_not_written`. */
export function writeNew(path: string, text: string, mode: number): void {
  guarded('file_not_written', path, () => writeFileSync(path, text, { flag: 'wx', mode }))
}

/** The old file or the new one, never a half, also after a crash. Refused: `file_not_written`. */
export function replaceFile(path: string, text: string): void {
  guarded('file_not_written', path, () => {
    const scratch = mkdtempSync(join(dirname(path), SCRATCH))
    try {
      const draft = join(scratch, 'draft')
      writeSynced(draft, text, 0o644)
      renameSync(draft, path)
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
}

/**
 * As `replaceFile`, for its owner alone, and by a draft of a known name: where a run was killed the next one takes it
 * away, and nothing secret is left lying about. It stays when the power fails. Throws what the system says.
 */
export function replacePrivate(path: string, text: string, draft: string): void {
  rmSync(draft, { force: true })
  writeSynced(draft, text, 0o600)
  renameSync(draft, path)
  syncFolder(dirname(path))
}

/** As `replacePrivate`, but a file that is there already is kept, whoever made it and however lately. */
export function placePrivate(path: string, text: string, draft: string): void {
  rmSync(draft, { force: true })
  writeSynced(draft, text, 0o600)
  try {
    linkSync(draft, path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' && !LINKLESS.has(code)) throw error
    // On a file system without links two makers at the same moment cannot be told apart.
    if (code !== 'EEXIST') renameSync(draft, path)
  }
  rmSync(draft, { force: true })
  syncFolder(dirname(path))
}

/** @see link(2) */
const LINKLESS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** What was renamed in it stays renamed when the power fails. Throws what the system says. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Scratch folders begin so; a run that was killed may leave one, and nothing reads it. */
const SCRATCH = '.lockstep-'

/** Refused: `file_not_written`. */
export function appendLine(path: string, line: string): void {
  guarded('file_not_written', path, () => appendFileSync(path, `${line}\n`))
}

/** Gone when this returns, or never there. Refused: `file_not_written`. */
export function removeFile(path: string): void {
  guarded('file_not_written', path, () => {
    if (statSync(path, { throwIfNoEntry: false })) unlinkSync(path)
  })
}

/** Makes the folder and its parents. Refused: `file_not_written`. */
export function makeFolder(path: string): void {
  guarded('file_not_written', path, () => mkdirSync(path, { recursive: true }))
}

function writeSynced(path: string, text: string, mode: number): void {
  const file = openSync(path, 'wx', mode)
  try {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

const because = (code: string): Error => Object.assign(new Error(code), { code })

function guarded<T>(code: ErrorCode, file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    // The system's own word (ENOENT, EACCES); its message repeats the path.
    const { code: word = 'unknown' } = error as NodeJS.ErrnoException
    const reason = word === 'EEXIST' ? 'there is one already, and it was kept' : word
    throw new BrokerError(code, { file, reason }, { cause: error })
  }
}
