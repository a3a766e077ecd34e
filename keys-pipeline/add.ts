import { dirname, join } from 'node:path'
import { finding, refuseAny } from './errors.ts'
import type { PublicKey, Registered } from './jwk.ts'
import { type Environment, judgeAcross, judgeKeySet } from './key-set.ts'
import {
  LIFECYCLE_FILE,
  type Lifecycle,
  type Role,
  readLifecycle,
  serializeLifecycle,
  timestamp,
} from './lifecycle.ts'
import { judgeKeys, openSource, type Show } from './pipeline.ts'
import { readPaths } from './read.ts'
import { isTaken, makeFolder, replaceFile, writeNew } from './write.ts'

export interface Custody {
  /** The folder laid out as `production/` and `nonprod/`. */
  keys: string
  environment: Environment
  role: Role
  /** Milliseconds since the epoch. */
  now: number
  show: Show
}

export interface Entered {
  kid: string
  alg: string
  bits: number
  thumbprint: string
  file: string
}

/**
 * Public keys from a file of any form into an environment, each as a JWK that names its kid and alg. All or none:
 * the set is judged as it would be afterwards. Refused: every finding of the file and of the new set, `file_exists`.
 */
export function addKeys(path: string, registered: Registered, custody: Custody): Entered[] {
  const sources = readPaths([path], custody.show)
  const opened = sources.files.map(source => openSource(source, registered))
  const keys = opened.flatMap(each => each.keys)
  const findings = [...sources.findings, ...opened.flatMap(each => each.findings)]
  if (findings.length === 0 && keys.length === 0) {
    findings.push(finding('set_empty', custody.show(path), 'there is no key in the file'))
  }
  refuseAny(findings)
  return enterKeys(keys, custody)
}

/** Judges the set as it would be with these keys in it, and writes nothing. */
export function refuseEntry(added: readonly PublicKey[], custody: Custody): void {
  const { keys: root, environment, show } = custody
  const { environments } = judgeKeys(root, show)
  const after = (name: Environment): PublicKey[] =>
    name === environment ? [...environments[name].keys, ...added] : environments[name].keys
  refuseAny([
    ...judgeKeySet(after(environment), show(join(root, environment))),
    ...judgeAcross(after('production'), after('nonprod')),
  ])
}

/** The lifecycle first, the key last: a key file that exists has its entry, and an entry alone publishes nothing. */
export function enterKeys(added: readonly PublicKey[], custody: Custody): Entered[] {
  refuseEntry(added, custody)
  const { keys: root, environment, role, now, show } = custody
  const folder = join(root, environment)
  const fileOf = (key: PublicKey): string => join(folder, `${key.thumbprint}.jwk.json`)
  const taken = added.map(fileOf).filter(isTaken)
  refuseAny(taken.map(file => finding('file_exists', show(file), 'the file exists already')))
  makeFolder(folder, 0o755, show)
  const entries: Lifecycle = Object.fromEntries(
    added.map(key => [key.thumbprint, { kid: key.jwk.kid, created: timestamp(now), role }]),
  )
  const lifecycle = serializeLifecycle({ ...readLifecycle(folder, show), ...entries })
  replaceFile(join(folder, LIFECYCLE_FILE), lifecycle, { scratch: root, show })
  return added.map(key => {
    const file = fileOf(key)
    writeNew(file, `${JSON.stringify(key.jwk, null, 2)}\n`, { scratch: root, show })
    const { kid, alg } = key.jwk
    return { kid, alg, bits: key.bits, thumbprint: key.thumbprint, file: show(file) }
  })
}

/** The nearest folder at or above this one that is a git checkout. */
export function checkoutOf(folder: string, exists: (path: string) => boolean): string | null {
  for (let at = folder; ; at = dirname(at)) {
    if (exists(join(at, '.git'))) return at
    if (at === dirname(at)) return null
  }
}
