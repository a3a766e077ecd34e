import { finding, PipelineError, refuseAny } from '../errors.ts'
import { openKeyFile } from '../forms.ts'
import type { Environment } from '../key-set.ts'
import { privateInText } from '../private-material.ts'
import { blobSha, type Changes, type Comparison, compare, isSame } from './changes.ts'
import type { GitHub } from './client.ts'
import { isRejected } from './failure.ts'
import { type GitObjects, gitObjects, KEYS_FOLDER } from './git-objects.ts'
import { type Push, push } from './git-push.ts'
import { openPull, type Pull, pullOf } from './pulls.ts'
import { headOf, headOfDefaultBranch } from './repository.ts'

/** A change of one environment's files, as people will review it. */
export interface Proposal {
  environment: Environment
  /** The same branch is the same proposal: with an open pull request it is that one that is brought up to date. */
  branch: string
  title: string
  body: string
  message: string
  /** The change as it is to a commit of the default branch; asked anew when that has moved on. */
  filesFor: (base: Base) => Promise<readonly FileChange[]>
}

export interface Base {
  sha: string
  objects: GitObjects
}

export interface FileChange {
  /** In the repository. */
  path: string
  /** Null takes the file away. */
  content: string | null
}

export type Proposed =
  | ({ did: 'opened' | 'updated' | 'unchanged' } & Pull)
  /** People closed the pull request, and did not merge it: it is theirs to open again. */
  | ({ did: 'declined' } & Pull)
  /** The default branch is like that already. */
  | { did: 'unneeded' }

/** What `propose` would do now. */
export interface Plan {
  did: Proposed['did']
  /** The pull request that there is. */
  pull: Pull | null
  /** What differs from the default branch. */
  files: readonly FileChange[]
  base: string
  /** Null where the branch of the proposal has it all. */
  push: Push | null
}

/** Looks at what there is and changes nothing. Refused: as `propose`. */
export async function planProposal(github: GitHub, proposal: Proposal): Promise<Plan> {
  const { branch: base, sha } = await headOfDefaultBranch(github)
  const objects = gitObjects(github)
  const wanted = await proposal.filesFor({ sha, objects })
  refuseUnfit(github, proposal, wanted, base)
  const changes = await changesTo({ sha, objects }, wanted)
  const files = wanted.filter(({ path }) => changes.has(path))
  const plan = { files, base, pull: null, push: null }
  if (files.length === 0) return { ...plan, did: 'unneeded' }
  const found = await pullOf(github, proposal.branch, base)
  if (found && !found.isOpen) return { ...plan, did: 'declined', pull: found.pull }
  const commit = await missingCommit(github, proposal, sha, changes)
  const wanting = commit && { ...commit, branch: proposal.branch, files }
  if (found === null) return { ...plan, did: 'opened', push: wanting }
  const did = wanting ? 'updated' : 'unchanged'
  return { ...plan, did, pull: found.pull, push: wanting }
}

/** Each attempt looks anew, so that a race is lost to whoever won it, and what was done and not answered is found. */
const MOST_ATTEMPTS = 3

/**
 * A pull request against the default branch that makes the change in one commit, and nothing else. The same proposal
 * is the same pull request, however often and from wherever it is made and wherever an earlier run ended; it gets
 * another commit only where the default branch has moved on in the same files. Nothing is ever pushed by force.
 *
 * Refused, before anything is sent: `private_*`, `file_unknown` (a path outside the environment's folder). Further
 * `proposal_taken` (the branch holds another change by somebody else), `github_*`.
 */
export async function propose(github: GitHub, proposal: Proposal): Promise<Proposed> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await carryOut(github, proposal, await planProposal(github, proposal))
    } catch (error) {
      if (attempt === MOST_ATTEMPTS || !isRejected(error)) throw error
    }
  }
}

async function carryOut(github: GitHub, proposal: Proposal, plan: Plan): Promise<Proposed> {
  const { did, pull, base } = plan
  if (did === 'unneeded') return { did }
  if (plan.push) await push(github, plan.push)
  if (pull !== null) return { did, ...pull }
  const { branch, title, body } = proposal
  return { did, ...(await openPull(github, { branch, base, title, body })) }
}

const SEGMENTS = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/
const BRANCH =
  /^(?!.*(\/\/|\.\.|\/\.|\.lock(\/|$)|\.$))[A-Za-z0-9][A-Za-z0-9._/-]{0,198}[A-Za-z0-9]$/

/** The last gate before the world: whatever made the proposal, it changes key files and gives nothing away. */
function refuseUnfit(
  github: GitHub,
  { environment, branch, title, body, message }: Proposal,
  files: readonly FileChange[],
  base: string,
): void {
  const folder = `${KEYS_FOLDER}/${environment}`
  const seen = new Set<string>()
  for (const { path, content } of files) {
    const isBelow = path.startsWith(`${folder}/`) && SEGMENTS.test(path.slice(folder.length))
    if (!isBelow || seen.has(path))
      refuseAny([
        finding('file_unknown', path.slice(0, 200), `is no path of its own in ${folder}/`),
      ])
    seen.add(path)
    const { findings } = openKeyFile(path, Buffer.from(content ?? ''))
    refuseAny(findings.filter(({ code }) => code.startsWith('private_')))
  }
  const [secret] = [title, body, message].flatMap(text => privateInText(text))
  if (secret) {
    const names = `private material in the text: ${secret.names.join(', ')}`
    refuseAny([finding('private_member', github.repository, names)])
  }
  if (branch === base || !BRANCH.test(branch))
    throw new Error(`${branch.slice(0, 200)} is no branch for a proposal`)
}

/** GitHub refuses the removal of what is not there, and a commit that changes nothing proposes nothing. */
async function changesTo({ sha, objects }: Base, files: readonly FileChange[]): Promise<Changes> {
  const changes = new Map<string, string | null>()
  for (const { path, content } of files) {
    const now = (await objects.file(sha, path))?.sha ?? null
    const next = content === null ? null : blobSha(content, sha.length)
    if (now !== next) changes.set(path, next)
  }
  return changes
}

/** The commit that the branch of the proposal lacks; null where it has the change, and no other. */
async function missingCommit(
  github: GitHub,
  { branch, message }: Proposal,
  base: string,
  changes: Changes,
): Promise<Omit<Push, 'branch' | 'files'> | null> {
  const signed = `${message.trimEnd()}\n\n${trailer(branch)}`
  const head = await headOf(github, branch)
  if (head === null) return { base, head, parents: [base], message: signed }
  const comparison = await compare(github, base, head)
  if (isSame(changes, comparison.changes)) return null
  if (!isOurs(comparison, branch)) {
    const held = `${branch} holds commits of somebody else`
    throw new PipelineError(finding('proposal_taken', github.repository, held))
  }
  return { base, head, parents: parentsOf(base, head, comparison), message: signed }
}

/** The last line of our commits, by which they are known again. */
const trailer = (branch: string): string => `Lockstep-Proposal: ${branch}`

const isOurs = ({ commits }: Comparison, branch: string): boolean =>
  commits?.every(({ message }) => message.trimEnd().split('\n').at(-1) === trailer(branch)) ?? false

/** The new commit follows what the branch holds, and what has come to the default branch since. */
function parentsOf(base: string, head: string, { aheadBy, behindBy }: Comparison): string[] {
  if (aheadBy === 0) return [base]
  return behindBy === 0 ? [head] : [head, base]
}
