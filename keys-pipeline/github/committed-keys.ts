import type { Environment } from '../key-set.ts'
import { LIFECYCLE_FILE, parseLifecycle } from '../lifecycle.ts'
import { type EnvironmentKeys, openSource } from '../pipeline.ts'
import { type GitObjects, KEYS_FOLDER } from './git-objects.ts'

/**
 * One environment as it is in a commit; the file of each key is its path in the repository. What is no key there is
 * passed over: it is for the check of that commit. Refused: `github_*`, `lifecycle_unreadable`.
 */
export async function committedKeys(
  objects: GitObjects,
  sha: string,
  environment: Environment,
): Promise<EnvironmentKeys> {
  const folder = `${KEYS_FOLDER}/${environment}`
  const record = `${folder}/${LIFECYCLE_FILE}`
  const files = await objects.filesBelow(sha, folder)
  const texts = await Promise.all(
    files.map(async ({ path, read }) => ({ file: path, folder: '', bytes: await read() })),
  )
  const told = texts.find(({ file }) => file === record)
  return {
    keys: texts.filter(each => each !== told).flatMap(each => openSource(each).keys),
    lifecycle: told ? parseLifecycle(told.bytes.toString('utf8'), record) : {},
  }
}
