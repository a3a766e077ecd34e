import { enableCompileCache } from 'node:module'
import { dirname, join } from 'node:path'

/** Beside the packages: whoever may write here may write them too, so that it is trusted as they are. */
const FOLDER = join(dirname(import.meta.dirname), 'node_modules', '.cache', 'compiled')

/**
 * What is imported from now on is compiled once: the next process reads it from `node_modules/.cache/compiled`, where it
 * was compiled from the same source by the same Node. Where nothing can be written there, each process compiles anew.
 *
 * @see Node.js, module.enableCompileCache
 */
export function keepCompiled(): void {
  enableCompileCache(FOLDER)
}
