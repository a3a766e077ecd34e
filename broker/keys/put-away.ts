import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { BrokerError } from '../errors.ts'
import { syncFolder } from '../files.ts'

/** Beside the keys; what is in it is no key to whoever reads the folder. */
const AWAY = 'retired'

/**
 * Moves the file of a private key into the folder `retired` beside it, where it is kept and does not sign; where it was
 * moved to. One that is gone already is none of ours.
 *
 * Refused: `file_not_written`.
 */
export function putAway(file: string): string | null {
  const folder = join(dirname(file), AWAY)
  try {
    if (!existsSync(file)) return null
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
    const target = freeName(join(folder, basename(file)))
    renameSync(file, target)
    syncFolder(folder)
    syncFolder(dirname(file))
    return target
  } catch (error) {
    const { code: reason = 'unknown' } = error as NodeJS.ErrnoException
    // Another broker that has the folder too was first.
    if (reason === 'ENOENT' && !existsSync(file)) return null
    throw new BrokerError('file_not_written', { file: folder, reason })
  }
}

/** A key that was put away under this name before is never written over. */
function freeName(path: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? path : `${path}.${count}`
    if (!existsSync(name)) return name
  }
}
