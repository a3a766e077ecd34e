import { dirname, join } from 'node:path'
import { type Finding, finding, refuseAny } from './errors.ts'
import type { PublicKey, Registered } from './jwk.ts'
import { type Environment, judgeAcross, judgeKeySet } from './key-set.ts'
import {
  judgeReturns,
  LIFECYCLE_FILE,
  type Lifecycle,
  type Role,
  readLifecycle,
  serializeLifecycle,
  timestamp,
} from './lifecycle.ts'
import { judgeKeys, openSource, type Show } from './pipeline.ts'
import { readPaths } from './read.ts'
import { readStatement } from './statements.ts'
import { isTaken, makeFolder, replaceFile, writeNew } from './write.ts'

export interface Custody {
  /** The folder laid out as `production/` and `nonprod/`. */
  keys: string
  environment: Environment
  /** Where that environment's key set is served: what a proof or a release is for. */
  url: string
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
 * Public keys from a file of any form into an environment, each as a JWK that names its kid and alg. All or none: the
 * set is judged as it would be afterwards, and each key needs a proof of possession among `proofs`.
 *
 * Refused: every finding of the file and of the new set, `file_exists`, `proof_missing`, `proof_invalid`.
 */
export async function addKeys(
  path: string,
  registered: Registered,
  proofs: readonly string[],
  custody: Custody,
): Promise<Entered[]> {
  const sources = readPaths([path], custody.show)
  const opened = sources.files.map(source => openSource(source, registered))
  const keys = opened.flatMap(each => each.keys)
  const findings = [...sources.findings, ...opened.flatMap(each => each.findings)]
  if (findings.length === 0 && keys.length === 0) {
    findings.push(finding('set_empty', custody.show(path), 'there is no key in the file'))
  }
  refuseAny(findings)
  refuseEntry(keys, custody)
  return enterKeys(await withProofs(keys, proofs, custody), custody)
}

/** A key and the proof that whoever adds it holds its private half. */
export interface ProvedKey {
  key: PublicKey
  proof: string
}

async function withProofs(
  keys: readonly PublicKey[],
  proofs: readonly string[],
  { url }: Custody,
): Promise<ProvedKey[]> {
  const judged = await Promise.all(keys.map(key => proofOf(key, proofs, url)))
  refuseAny(judged.filter(each => 'code' in each))
  return judged.filter(each => 'proof' in each)
}

async function proofOf(
  key: PublicKey,
  proofs: readonly string[],
  url: string,
): Promise<ProvedKey | Finding> {
  const { file, jwk, thumbprint } = key
  let why = 'nobody has proved to hold the private half of this key'
  for (const proof of proofs) {
    const statement = await readStatement('possession', proof, [key], { thumbprint, url })
    if (typeof statement !== 'string') return { key, proof }
    why = statement
  }
  return finding(proofs.length === 0 ? 'proof_missing' : 'proof_invalid', file, why, jwk.kid)
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
  refuseAny(judgeReturns(added, environments[environment].lifecycle))
}

/** The lifecycle first, the key last: a key file that exists has its entry, and an entry alone publishes nothing. */
export function enterKeys(proved: readonly ProvedKey[], custody: Custody): Entered[] {
  const added = proved.map(each => each.key)
  refuseEntry(added, custody)
  const { keys: root, environment, role, now, show } = custody
  const folder = join(root, environment)
  const fileOf = (key: PublicKey): string => join(folder, `${key.thumbprint}.jwk.json`)
  const taken = added.map(fileOf).filter(isTaken)
  refuseAny(taken.map(file => finding('file_exists', show(file), 'the file exists already')))
  makeFolder(folder, 0o755, show)
  const entries: Lifecycle = Object.fromEntries(
    proved.map(({ key, proof }) => [
      key.thumbprint,
      { kid: key.jwk.kid, created: timestamp(now), role, proof },
    ]),
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
