import { join } from 'node:path'
import type { Custody } from './add.ts'
import { type Code, finding, PipelineError } from './errors.ts'
import type { PublicKey } from './jwk.ts'
import {
  LIFECYCLE_FILE,
  parseLifecycle,
  type Retirement,
  readLifecycle,
  serializeLifecycle,
  timestamp,
} from './lifecycle.ts'
import { judgeKeys } from './pipeline.ts'
import { readStatement } from './statements.ts'
import { removeFile, replaceFile } from './write.ts'

export type Retire = Omit<Retirement, 'at'> & {
  kid: string
}

export interface Retired {
  kid: string
  thumbprint: string
  /** The file that is gone. */
  file: string
  retired: Retirement
}

/**
 * Takes a key out of an environment and records why, in that order: the record first, so that a run that is killed
 * leaves a key that `check` refuses, and a second run ends what the first began.
 *
 * Refused: `key_not_found`, `set_empty` (the last key, an emergency included), `several_keys_in_file`,
 * `still_signing` without a release, `release_invalid`, `private_member` (in the reason).
 */
export async function retireKey(retire: Retire, custody: Omit<Custody, 'role'>): Promise<Retired> {
  const { keys: root, environment, now, url, show } = custody
  const folder = join(root, environment)
  const { kid, ...given } = retire
  const refuse = (code: Code, message: string) =>
    new PipelineError(finding(code, show(folder), message, kid))
  const { keys, lifecycle } = judgeKeys(root, path => path).environments[environment]
  const key = keys.find(each => each.jwk.kid === kid)
  if (key === undefined) throw refuse('key_not_found', `${environment} has no key of this kid`)
  if (keys.length === 1) throw refuse('set_empty', 'it is the last key: add its successor first')
  if (keys.some(each => each !== key && each.file === key.file))
    throw refuse('several_keys_in_file', `${show(key.file)} holds other keys too`)
  await judgeGiven(given, key, keys, url, refuse)

  const entry = lifecycle[key.thumbprint] ?? {
    kid,
    created: timestamp(now),
    role: 'signer' as const,
  }
  const retired = entry.retired ?? { at: timestamp(now), ...given }
  const text = serializeLifecycle({
    ...readLifecycle(folder, show),
    [key.thumbprint]: { ...entry, retired },
  })
  // What would be refused when it is read is not written: a reason may hold anything.
  parseLifecycle(text, show(join(folder, LIFECYCLE_FILE)))
  replaceFile(join(folder, LIFECYCLE_FILE), text, { scratch: root, show })
  removeFile(key.file, show)
  return { kid, thumbprint: key.thumbprint, file: show(key.file), retired }
}

async function judgeGiven(
  { release, unreleased, emergency }: Omit<Retire, 'kid'>,
  key: PublicKey,
  keys: readonly PublicKey[],
  url: string,
  refuse: (code: Code, message: string) => PipelineError,
): Promise<void> {
  if (emergency || unreleased) return
  if (release === undefined)
    throw refuse('still_signing', 'whether the key still signs is not known')
  const others = keys.filter(each => each !== key)
  const about = { thumbprint: key.thumbprint, url }
  const statement = await readStatement('release', release, others, about)
  if (typeof statement === 'string') throw refuse('release_invalid', statement)
}
