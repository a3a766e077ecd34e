import { hash } from 'node:crypto'
import { PipelineError, refuseAny } from '../errors.ts'
import type { PublicKey } from '../jwk.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import { judgeFiles } from '../pipeline.ts'
import type { GitHub } from './client.ts'
import { isRejected } from './failure.ts'
import { type GitObjects, gitObjects } from './git-objects.ts'
import {
  type Applied,
  applyChanges,
  type CommittedKeys,
  KEYS_FOLDER,
  type KeyChange,
  type MovedKey,
} from './key-changes.ts'
import { fenced, titled } from './markdown.ts'
import { makeCommit, moveBranch, moveOf, type Work } from './proposal-branch.ts'
import { newestPull, openPull } from './pulls.ts'
import { headOfDefaultBranch } from './repository.ts'

/** What would be proposed, against the default branch as it is now. */
export interface Plan extends Work {
  base: string
  title: string
  body: string
}

export type Proposed =
  | {
      /** `declined`: somebody has closed it, and it is not asked again; whoever wants it reopens it. */
      did: 'opened' | 'updated' | 'unchanged' | 'declined'
      plan: Plan
      number: number
      url: string
    }
  /** The default branch is like that already. */
  | { did: 'unneeded' }

/** A branch or a pull request that somebody else was quicker with is looked at again. */
const MOST_PASSES = 3

/**
 * A pull request that makes these changes in one commit of `keys-pipeline/keys/`, and nothing else. The same keys that
 * come and go are the same proposal, with the same branch: a repeat finds the pull request there is, and adds a commit
 * to it only where the default branch has moved so that the change is another. Nothing is pushed by force.
 *
 * Refused: what `planProposal` refuses, before anything is sent; `branch_taken`; `github_*`, after which a repeat goes
 * on from where this one ended.
 */
export async function proposeKeys(
  github: GitHub,
  changes: readonly KeyChange[],
): Promise<Proposed> {
  const objects = gitObjects(github)
  for (let pass = 1; ; pass++) {
    const plan = await planFrom(github, objects, changes)
    if (plan === null) return { did: 'unneeded' }
    const sent = await send(github, plan)
    if (!(sent instanceof PipelineError)) return sent
    if (pass === MOST_PASSES) throw sent
  }
}

/**
 * What `proposeKeys` would do; null where there is nothing to do. Nothing is sent.
 *
 * Refused: `file_unknown`, `file_exists`, and each finding of the keys as they would be; `github_*`.
 */
export const planProposal = (github: GitHub, changes: readonly KeyChange[]): Promise<Plan | null> =>
  planFrom(github, gitObjects(github), changes)

async function planFrom(
  github: GitHub,
  objects: GitObjects,
  changes: readonly KeyChange[],
): Promise<Plan | null> {
  const { branch: base, sha: baseSha } = await headOfDefaultBranch(github)
  const applied = applyChanges(await keysAt(objects, baseSha), changes)
  if (applied.files.size === 0) return null
  refuseAny(judgeFiles(KEYS_FOLDER, applied.after).findings)
  const title = titleOf(applied)
  const branch = branchOf(applied)
  return {
    branch,
    base,
    baseSha,
    title,
    message: title,
    body: bodyOf(applied),
    files: applied.files,
  }
}

async function keysAt(objects: GitObjects, sha: string): Promise<CommittedKeys> {
  const [production, nonprod] = await Promise.all(
    ENVIRONMENTS.map(async environment => {
      const files = await objects.filesBelow(sha, `${KEYS_FOLDER}/${environment}`)
      return Promise.all(files.map(async ({ path, read }) => ({ path, bytes: await read() })))
    }),
  )
  return { production: production ?? [], nonprod: nonprod ?? [] }
}

/** A failure to return is one that a second look may explain; any other is thrown. */
async function send(github: GitHub, plan: Plan): Promise<Proposed | PipelineError> {
  const pull = await newestPull(github, plan.branch, plan.base)
  if (pull?.isDeclined) return { did: 'declined', plan, number: pull.number, url: pull.url }
  const move = await moveOf(github, plan)
  if (move !== null) {
    const to = await makeCommit(github, plan, move.parents)
    const moved = await attempted(moveBranch(github, plan.branch, { from: move.head, to }))
    if (moved instanceof PipelineError) return moved
  }
  if (pull?.isOpen) {
    const { number, url } = pull
    return { did: move === null ? 'unchanged' : 'updated', plan, number, url }
  }
  const opened = await attempted(openPull(github, plan))
  return opened instanceof PipelineError ? opened : { did: 'opened', plan, ...opened }
}

async function attempted<T>(work: Promise<T>): Promise<T | PipelineError> {
  try {
    return await work
  } catch (error) {
    if (isRejected(error)) return error
    throw error
  }
}

/** By the names of the files: those of keys are thumbprints. */
function branchOf({ files }: Applied): string {
  const moves = [...files].map(([path, bytes]) => `${bytes === null ? '-' : '+'}${path}`)
  return `lockstep/keys-${hash('sha256', moves.sort().join('\n')).slice(0, 16)}`
}

function titleOf({ come, go }: Applied): string {
  const said = [
    ...(come.length > 0 ? [phrase('Add', come, 'to')] : []),
    ...(go.length > 0 ? [phrase('Retire', go, 'from')] : []),
  ]
  return titled(said.length > 0 ? said.join('; ') : 'Record what is known of the keys')
}

function phrase(verb: string, keys: readonly MovedKey[], where: string): string {
  const places = [...new Set(keys.map(each => each.environment))].join(' and ')
  const [first] = keys
  const what = keys.length === 1 && first ? `key ${nameOf(first.key)}` : `${keys.length} keys`
  return `${verb} ${what} ${where} ${places}`
}

/** Titles become messages of commits, which may close issues and call people; a kid may be any text. */
const nameOf = ({ jwk: { kid }, thumbprint }: PublicKey): string =>
  /^[A-Za-z0-9._-]+$/.test(kid) ? kid : thumbprint

function bodyOf({ files, come, go }: Applied): string {
  const lines = [
    ...come.map(each => `+ ${about(each)}`),
    ...go.map(each => `- ${about(each)}: ${each.reason}`),
    '',
    ...files.keys(),
  ]
  return [
    fenced(lines.join('\n')),
    'Compare the thumbprint with what the holder of the key says. The check judge-keys shows both key sets before and after; nothing is published before this is merged.',
    'Close this pull request to decline it: it is not opened again. Reopen it to change your mind.',
  ].join('\n\n')
}

const about = ({ environment, key: { jwk, bits, thumbprint } }: MovedKey): string =>
  `${environment} ${jwk.kid} ${jwk.alg}, ${bits} bits, thumbprint ${thumbprint}`
