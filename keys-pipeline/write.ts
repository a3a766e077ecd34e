import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { finding, PipelineError } from './errors.ts'

type Show = (path: string) => string

/** Scratch folders begin so; a run that was killed may leave one, and nothing reads it. */
const SCRATCH = '.lockstep-'

interface NewFile {
  /** An existing folder on the same file system, from which nothing is published. */
  scratch: string
  mode?: number
  show: Show
}

/** A whole new file or none; an existing one is never touched. Refused: `file_exists`, `write_failed`. */
export function writeNew(
  path: string,
  text: string,
  { scratch, mode = 0o644, show }: NewFile,
): void {
  throughScratch(path, text, scratch, mode, show, draft => {
    try {
      linkSync(draft, path)
    } catch (error) {
      // File systems without hard links: the look and the rename are not one step, but the kid in the name is new.
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST' || existsSync(path)) {
        throw new PipelineError(finding('file_exists', show(path), 'the file exists already'))
      }
      renameSync(draft, path)
    }
  })
}

/** Whether there is something of this name. */
export const isTaken = (path: string): boolean => existsSync(path)

/** The old file or the new one, never a mixture. Refused: `write_failed`. */
export function replaceFile(
  path: string,
  text: string,
  { scratch, mode = 0o644, show }: NewFile,
): void {
  throughScratch(path, text, scratch, mode, show, draft => renameSync(draft, path))
}

/**
 * The old folder, the new one, or for an instant none: never a half. Only a folder that an earlier build wrote, or an
 * empty one, is replaced. Refused: `out_not_ours`, `write_failed`.
 */
export function replaceFolder(path: string, files: ReadonlyMap<string, string>, show: Show): void {
  const folder = resolve(path)
  const parent = dirname(folder)
  if (existsSync(folder)) {
    const there = listFolder(folder, show)
    if (there.length > 0 && !there.includes('publication.json')) {
      throw new PipelineError(
        finding('out_not_ours', show(folder), 'the folder holds files that no build made'),
      )
    }
  }
  guarded(folder, show, () => {
    mkdirSync(parent, { recursive: true })
    const scratch = mkdtempSync(join(parent, SCRATCH))
    try {
      const draft = join(scratch, 'new')
      for (const [name, text] of files) {
        const target = join(draft, name)
        mkdirSync(dirname(target), { recursive: true })
        writeSynced(target, text, 0o644)
      }
      swap(folder, draft, join(scratch, 'old'))
      syncFolder(parent)
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
}

function swap(folder: string, draft: string, old: string): void {
  if (existsSync(folder)) renameSync(folder, old)
  try {
    renameSync(draft, folder)
  } catch (error) {
    if (existsSync(old)) renameSync(old, folder)
    throw error
  }
}

/** Gone when this returns, also after a crash. Refused: `write_failed`. */
export function removeFile(path: string, show: Show): void {
  guarded(path, show, () => {
    unlinkSync(path)
    syncFolder(dirname(path))
  })
}

/** Adds to the end of a file, mostly one that somebody else made. Refused: `write_failed`. */
export function appendTo(path: string, text: string, show: Show, mode = 0o666): void {
  guarded(path, show, () => appendFileSync(path, text, { mode }))
}

/** Makes the folder and its parents. Refused: `write_failed`. */
export function makeFolder(path: string, mode: number, show: Show): void {
  guarded(path, show, () => mkdirSync(path, { recursive: true, mode }))
}

function throughScratch(
  path: string,
  text: string,
  scratch: string,
  mode: number,
  show: Show,
  place: (draft: string) => void,
): void {
  guarded(path, show, () => {
    const folder = mkdtempSync(join(scratch, SCRATCH))
    try {
      const draft = join(folder, 'draft')
      writeSynced(draft, text, mode)
      place(draft)
      syncFolder(dirname(path))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
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

/** A new name is safe on disk only once its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function listFolder(folder: string, show: Show): string[] {
  return guarded(folder, show, () => readdirSync(folder))
}

function guarded<T>(path: string, show: Show, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new PipelineError(finding('write_failed', show(path), `cannot be written (${code})`))
  }
}
