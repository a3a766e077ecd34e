import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What changes when one of the files does, or anything in one of the folders; a file that is swapped for another of
 * the same age and size too. Folders are not looked into further down.
 */
export function fingerprintOf(paths: readonly string[]): string {
  return JSON.stringify(paths.map(path => [stamp(path), ...entriesOf(path).map(stamp)]))
}

function stamp(path: string): (string | number)[] {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path)
    return [path, ino, size, mtimeMs, ctimeMs]
  } catch (error) {
    return [path, (error as NodeJS.ErrnoException).code ?? 'unknown']
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path)
      .sort()
      .map(name => join(path, name))
  } catch {
    return []
  }
}
