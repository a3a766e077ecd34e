import { judgeEntry } from '../add.ts'
import { finding, refuseAny } from '../errors.ts'
import { keyFile, type PublicKey } from '../jwk.ts'
import type { Environment } from '../key-set.ts'
import {
  LIFECYCLE_FILE,
  type LifecycleEntry,
  type Retirement,
  serializeLifecycle,
} from '../lifecycle.ts'
import { keyThatMayGo } from '../retire.ts'
import { committedKeys } from './committed-keys.ts'
import { KEYS_FOLDER } from './git-objects.ts'
import { fenced } from './markdown.ts'
import type { Base, FileChange, Proposal } from './proposal.ts'

/** A key that comes into an environment, with what is told of it, or one that goes, with the reason. */
export type KeyChange = { environment: Environment; key: PublicKey } & (
  | { entry: LifecycleEntry }
  | { retired: Retirement }
)

/**
 * The proposal of one key. One key that comes or goes is one pull request, whoever proposes it and however often. What
 * is already in the default branch is kept: an entry is never written over, and a change that is there is unneeded.
 *
 * Refused, when it is made: what `add` refuses of a key set as it would be (`proof_missing` too: whether the proof is
 * good is for the check of the pull request), and what `retire` refuses of a key that may not go.
 */
export function proposalOf(change: KeyChange): Proposal {
  const { environment, key } = change
  const { thumbprint } = key
  const [verb, to] = 'entry' in change ? (['add', 'to'] as const) : (['retire', 'from'] as const)
  const start = `${verb === 'add' ? 'Add' : 'Retire'} key`
  return {
    environment,
    branch: `lockstep/${environment}/${verb}-${thumbprint}`,
    title: `${start} ${nameOf(key)} ${to} ${environment}`,
    // A kid may be any text, and what a commit says may close issues or call people.
    message: `${start} ${thumbprint} ${to} ${environment}`,
    body: bodyOf(change),
    filesFor: base => ('entry' in change ? filesToAdd(change, base) : filesToRetire(change, base)),
  }
}

const nameOf = ({ jwk: { kid }, thumbprint }: PublicKey): string =>
  /^[A-Za-z0-9._-]+$/.test(kid) ? kid : thumbprint

type Comes = Extract<KeyChange, { entry: LifecycleEntry }>
type Goes = Extract<KeyChange, { retired: Retirement }>

async function filesToAdd(
  { environment, key, entry }: Comes,
  { sha, objects }: Base,
): Promise<FileChange[]> {
  const { jwk, thumbprint } = key
  const folder = `${KEYS_FOLDER}/${environment}`
  const environments = {
    production: await committedKeys(objects, sha, 'production'),
    nonprod: await committedKeys(objects, sha, 'nonprod'),
  }
  const { keys, lifecycle } = environments[environment]
  const others = keys.filter(each => each.thumbprint !== thumbprint)
  environments[environment] = { keys: others, lifecycle }
  refuseAny(judgeEntry([key], environment, environments, folder))
  const known = lifecycle[thumbprint]
  const told = known?.proof ? known : { ...entry, ...known }
  if (told.proof === undefined)
    refuseAny([finding('proof_missing', key.file, 'no proof is given with the key', jwk.kid)])
  const { name, text } = keyFile(key)
  const files: FileChange[] = []
  if (others.length === keys.length) files.push({ path: `${folder}/${name}`, content: text })
  if (told !== known) files.push(lifecycleFile(folder, { ...lifecycle, [thumbprint]: told }))
  return files
}

async function filesToRetire(
  { environment, key, retired }: Goes,
  { sha, objects }: Base,
): Promise<FileChange[]> {
  const { jwk, thumbprint } = key
  const folder = `${KEYS_FOLDER}/${environment}`
  const { keys, lifecycle } = await committedKeys(objects, sha, environment)
  const known = lifecycle[thumbprint]
  const held = keys.find(each => each.thumbprint === thumbprint)
  if (held === undefined && known?.retired) return []
  const about = { kid: jwk.kid, place: folder, show: (path: string) => path }
  const files: FileChange[] = [{ path: keyThatMayGo(held, keys, about).file, content: null }]
  if (known?.retired) return files
  const told = known ?? { kid: jwk.kid, created: retired.at, role: 'signer' as const }
  return [...files, lifecycleFile(folder, { ...lifecycle, [thumbprint]: { ...told, retired } })]
}

const lifecycleFile = (
  folder: string,
  lifecycle: Parameters<typeof serializeLifecycle>[0],
): FileChange => ({
  path: `${folder}/${LIFECYCLE_FILE}`,
  content: serializeLifecycle(lifecycle),
})

function bodyOf(change: KeyChange): string {
  const { environment, key } = change
  const facts: [string, string][] = [
    ['kid', key.jwk.kid],
    ['alg', `${key.jwk.alg}, ${key.bits} bits`],
    ['thumbprint', key.thumbprint],
  ]
  if ('entry' in change) {
    facts.push(['role', change.entry.role], ['made', change.entry.created])
    return [
      `This public key would be published for ${environment}. Whoever holds its private half can then sign as the company.`,
      table(facts),
      'The check `judge-keys` verifies the proof of possession in `lifecycle.json`. Merging deploys it; the key may sign when it has been live for the guard.',
    ].join('\n\n')
  }
  facts.push(['reason', change.retired.reason], ['release', releaseOf(change.retired)])
  return [
    `This key would no longer be published for ${environment}. Hospitals may trust what they have fetched for as long as their copy lives.`,
    table(facts),
    'The check `judge-keys` sees that a key stays which has been live for the guard, and that this one has stopped signing. Merging deploys it.',
  ].join('\n\n')
}

const table = (facts: readonly [string, string][]): string =>
  fenced(facts.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n'))

function releaseOf({ emergency, release, unreleased }: Retirement): string {
  if (emergency) return 'none: an emergency'
  if (release !== undefined) return 'by a key that stays'
  return unreleased ? 'none: by the custodian’s word' : 'none'
}
