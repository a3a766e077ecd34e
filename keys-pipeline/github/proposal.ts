import Type from 'typebox'
import { finding, PipelineError } from '../errors.ts'
import { blobSha, type Changes, type Comparison, compare, isSame } from './changes.ts'
import type { GitHub } from './client.ts'
import { isMissing } from './failure.ts'
import { gitObjects } from './git-objects.ts'
import { titled } from './markdown.ts'
import { replyReader } from './reply.ts'
import { defaultBranch } from './repository.ts'

/** A change of key files, as people will review it. */
export interface Proposal {
  /** The same branch is the same proposal: with an open pull request it is that one that is brought up to date. */
  branch: string
  title: string
  body: string
  message: string
  /** Below `keys-pipeline/keys/`; null takes the file away. */
  files: readonly { path: string; content: string | null }[]
}

export type Proposed =
  | { did: 'opened' | 'updated' | 'unchanged'; number: number; url: string }
  /** The default branch is like that already. */
  | { did: 'unneeded' }

const KEY_PATH = /^keys-pipeline\/keys(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/
const BRANCH = /^(?!.*(\/\/|\.\.|\.lock(\/|$)|\.$))[A-Za-z0-9][A-Za-z0-9._/-]{0,198}[A-Za-z0-9]$/

const Sha = Type.String({ pattern: '^([0-9a-f]{40}|[0-9a-f]{64})$' })
const readRef = replyReader('reference', Type.Object({ object: Type.Object({ sha: Sha }) }))
const readObject = replyReader('object of git', Type.Object({ sha: Sha }))
const readCommit = replyReader('commit', Type.Object({ tree: Type.Object({ sha: Sha }) }))
const readPull = replyReader(
  'pull request',
  Type.Object({ number: Type.Integer(), html_url: Type.String() }),
)
const readPulls = replyReader(
  'list of pull requests',
  Type.Array(
    Type.Object({
      number: Type.Integer(),
      html_url: Type.String(),
      head: Type.Object({
        repo: Type.Union([Type.Object({ full_name: Type.String() }), Type.Null()]),
      }),
    }),
  ),
)
/**
 * A pull request against the default branch that makes the change in one commit, and nothing else. A repeat finds the
 * pull request there is, and adds a commit to it only where the change differs. Nothing is ever pushed by force: a
 * branch that was left over, by a proposal that was closed or merged, goes on from where it is.
 *
 * Refused: `file_unknown` (a path outside `keys-pipeline/keys/`), `github_*`; `github_failed` also for a branch that
 * holds commits of somebody else and another change.
 */
export async function proposeChange(github: GitHub, proposal: Proposal): Promise<Proposed> {
  const base = await defaultBranch(github)
  refuseUnfit(github, proposal, base)
  const baseSha = await headOf(github, base)
  if (baseSha === null) throw failed(github, `there is no branch ${base}`)
  const changes = await changesTo(github, baseSha, proposal)
  if (changes.size === 0) return { did: 'unneeded' }
  const head = await headOf(github, proposal.branch)
  const comparison = head === null ? null : await compare(github, baseSha, head)
  const isThere = comparison !== null && isSame(changes, comparison.changes)
  const pull = head === null ? null : await openPull(github, proposal.branch, base)
  if (isThere && pull !== null) return { did: 'unchanged', ...pull }
  if (!isThere) {
    if (comparison !== null && !isOurs(comparison, proposal.branch))
      throw failed(github, `the branch ${proposal.branch} holds commits of somebody else`)
    const parents = parentsOf(baseSha, head, comparison)
    await push(github, proposal, { changes, baseSha, head, parents })
  }
  return pull === null
    ? { did: 'opened', ...(await openNew(github, proposal, base)) }
    : { did: 'updated', ...(await retitle(github, proposal, pull.number)) }
}

function refuseUnfit(github: GitHub, { branch, files }: Proposal, base: string): void {
  const seen = new Set<string>()
  for (const { path } of files) {
    if (!KEY_PATH.test(path) || seen.has(path))
      throw new PipelineError(
        finding('file_unknown', path.slice(0, 200), 'is no path of its own in keys-pipeline/keys/'),
      )
    seen.add(path)
  }
  if (branch === base || !BRANCH.test(branch))
    throw failed(github, `${branch.slice(0, 200)} is no branch for a proposal`)
}

async function headOf(github: GitHub, branch: string): Promise<string | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.git.getRef({ owner, repo, ref: `heads/${branch}` })
    return readRef(github, data).object.sha
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** What the proposal changes in that commit; GitHub refuses the removal of what is not there. */
async function changesTo(github: GitHub, sha: string, { files }: Proposal): Promise<Changes> {
  const objects = gitObjects(github)
  const changes = new Map<string, string | null>()
  for (const { path, content } of files) {
    const now = (await objects.file(sha, path))?.sha ?? null
    const next = content === null ? null : blobSha(content, sha.length)
    if (now !== next) changes.set(path, next)
  }
  return changes
}

/** The last line of our commits, by which they are known again. */
const trailer = (branch: string): string => `Lockstep-Proposal: ${branch}`

const isOurs = ({ messages }: Comparison, branch: string): boolean =>
  messages?.every(message => message.trimEnd().split('\n').at(-1) === trailer(branch)) ?? false

/** The new commit follows what the branch holds, and what has come to the default branch since. */
function parentsOf(base: string, head: string | null, comparison: Comparison | null): string[] {
  if (head === null || comparison === null || comparison.aheadBy === 0) return [base]
  return comparison.behindBy === 0 ? [head] : [head, base]
}

interface Push {
  changes: Changes
  baseSha: string
  head: string | null
  parents: string[]
}

async function push(
  github: GitHub,
  { branch, message, files }: Proposal,
  { changes, baseSha, head, parents }: Push,
): Promise<void> {
  const { octokit, owner, repo } = github
  const base = await octokit.rest.git.getCommit({ owner, repo, commit_sha: baseSha })
  const blob = { mode: '100644', type: 'blob' } as const
  const tree = await octokit.rest.git.createTree({
    owner,
    repo,
    base_tree: readCommit(github, base.data).tree.sha,
    tree: files
      .filter(({ path }) => changes.has(path))
      .map(({ path, content }) =>
        content === null ? { path, ...blob, sha: null } : { path, ...blob, content },
      ),
  })
  const commit = await octokit.rest.git.createCommit({
    owner,
    repo,
    message: `${message.trimEnd()}\n\n${trailer(branch)}`,
    tree: readObject(github, tree.data).sha,
    parents,
  })
  const { sha } = readObject(github, commit.data)
  if (head === null)
    await octokit.rest.git.createRef({ owner, repo, ref: `refs/heads/${branch}`, sha })
  else await octokit.rest.git.updateRef({ owner, repo, ref: `heads/${branch}`, sha, force: false })
}

interface Pull {
  number: number
  url: string
}

async function openPull(github: GitHub, branch: string, base: string): Promise<Pull | null> {
  const { octokit, owner, repo, repository } = github
  const { data } = await octokit.rest.pulls.list({
    owner,
    repo,
    head: `${owner}:${branch}`,
    base,
    state: 'open',
  })
  // A fork of the same owner has branches of the same names.
  const found = readPulls(github, data).find(
    ({ head }) => head.repo?.full_name.toLowerCase() === repository.toLowerCase(),
  )
  return found ? { number: found.number, url: found.html_url } : null
}

async function openNew(
  github: GitHub,
  { branch, title, body }: Proposal,
  base: string,
): Promise<Pull> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.pulls.create({
    owner,
    repo,
    head: branch,
    base,
    title: titled(title),
    body,
  })
  const { number, html_url } = readPull(github, data)
  return { number, url: html_url }
}

async function retitle(github: GitHub, proposal: Proposal, pull_number: number): Promise<Pull> {
  const { octokit, owner, repo } = github
  const { title, body } = proposal
  const { data } = await octokit.rest.pulls.update({
    owner,
    repo,
    pull_number,
    title: titled(title),
    body,
  })
  const { number, html_url } = readPull(github, data)
  return { number, url: html_url }
}

const failed = ({ repository }: GitHub, message: string): PipelineError =>
  new PipelineError(finding('github_failed', repository, message))
