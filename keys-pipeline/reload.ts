import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSite } from './built-site.ts'
import type { Show } from './pipeline.ts'
import type { Site } from './render.ts'

export interface Reloading<T> {
  /** What is there now; null where it is what was taken last. Throws where it cannot be served. */
  read: () => T | null
  take: (next: T) => void
  /** What is there cannot be served, so what was taken last goes on. Said once for each reason. */
  keep: (why: Error) => void
}

/**
 * A look, to be repeated: files are watched by reading them, since whoever renews them swaps folders or links. A fault
 * is said when it is found a second time: the first may be the instant of a swap.
 */
export function lookAgain<T>({ read, take, keep }: Reloading<T>): () => void {
  let found: string | null = null
  let said: string | null = null
  return () => {
    try {
      const next = read()
      if (next !== null) take(next)
      found = null
      said = null
    } catch (error) {
      // Whatever it is, the server goes on with what it has: hundreds of hospitals depend on it.
      const why = error instanceof Error ? error : new Error(String(error))
      if (found === why.message && said !== why.message) {
        said = why.message
        keep(why)
      }
      found = why.message
    }
  }
}

/** The built site in `folder` if it is another than the one that `list` was read with. Throws `out_damaged`. */
export function readNewSite(folder: string, list: string | undefined, show: Show): Site | null {
  // The list names the hash of every file: the same list is the same site.
  if (textAt(join(folder, 'publication.json')) === list) return null
  return readSite(folder, show)
}

/** What differs between two builds, by path. */
export function changesBetween(before: Site, after: Site): string[] {
  const paths = new Set([...before.keys(), ...after.keys()])
  return [...paths].filter(path => before.get(path) !== after.get(path))
}

function textAt(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
