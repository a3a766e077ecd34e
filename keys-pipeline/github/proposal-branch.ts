import Type from 'typebox'
import { finding, PipelineError } from '../errors.ts'
import type { GitHub } from './client.ts'
import { blobSha, type Changes, type Comparison, compare, isSame } from './comparison.ts'
import { isMissing } from './failure.ts'
import { replyReader } from './reply.ts'

/** One commit on top of another, on a branch of its own. */
export interface Work {
  branch: string
  baseSha: string
  message: string
  /** null takes the file away. */
  files: ReadonlyMap<string, Buffer | null>
}

const Sha = Type.String({ pattern: '^([0-9a-f]{40}|[0-9a-f]{64})$' })
const readReference = replyReader('reference', Type.Object({ object: Type.Object({ sha: Sha }) }))
const readObject = replyReader('object of git', Type.Object({ sha: Sha }))
const readCommit = replyReader('commit', Type.Object({ tree: Type.Object({ sha: Sha }) }))

/** What has to be done to a branch; null is nothing: it holds the work already. */
export type Move = { head: string | null; parents: string[] } | null

/**
 * How the branch comes to hold the work and nothing else, without force: one that was left over goes on from where it
 * is, and takes in what has come to the default branch since. Refused: `branch_taken` (commits of somebody else, and
 * another change), `github_*`.
 */
export async function moveOf(github: GitHub, work: Work): Promise<Move> {
  const { branch, baseSha, files } = work
  const head = await headOf(github, branch)
  if (head === null) return { head, parents: [baseSha] }
  const comparison = await compare(github, baseSha, head)
  if (isSame(changesIn(files, baseSha.length), comparison.changes)) return null
  if (!isOurs(comparison, branch))
    throw new PipelineError(
      finding('branch_taken', branch, 'the branch holds commits of somebody else'),
    )
  return { head, parents: parentsOf(baseSha, head, comparison) }
}

async function headOf(github: GitHub, branch: string): Promise<string | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.git.getRef({ owner, repo, ref: `heads/${branch}` })
    return readReference(github, data).object.sha
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

const changesIn = (files: Work['files'], digits: number): Changes =>
  new Map([...files].map(([path, bytes]) => [path, bytes && blobSha(bytes, digits)]))

/** The last line of our commits, by which they are known again. */
const trailer = (branch: string): string => `Lockstep-Proposal: ${branch}`

const isOurs = ({ messages }: Comparison, branch: string): boolean =>
  messages?.every(message => message.trimEnd().split('\n').at(-1) === trailer(branch)) ?? false

/** The new commit follows what the branch holds, and what has come to the default branch since. */
function parentsOf(base: string, head: string, { aheadBy, behindBy }: Comparison): string[] {
  if (aheadBy === 0) return [base]
  return behindBy === 0 ? [head] : [head, base]
}

/** The commit, on no branch yet. What was sent before is found again by its name. Refused: `github_*`. */
export async function makeCommit(
  github: GitHub,
  { branch, baseSha, message, files }: Work,
  parents: string[],
): Promise<string> {
  const { octokit, owner, repo } = github
  const base = await octokit.rest.git.getCommit({ owner, repo, commit_sha: baseSha })
  const entries = []
  for (const [path, bytes] of files)
    entries.push({
      ...({ path, mode: '100644', type: 'blob' } as const),
      sha: bytes && (await makeBlob(github, bytes)),
    })
  const tree = await octokit.rest.git.createTree({
    owner,
    repo,
    base_tree: readCommit(github, base.data).tree.sha,
    tree: entries,
  })
  const commit = await octokit.rest.git.createCommit({
    owner,
    repo,
    message: `${message}\n\n${trailer(branch)}`,
    tree: readObject(github, tree.data).sha,
    parents,
  })
  return readObject(github, commit.data).sha
}

async function makeBlob(github: GitHub, bytes: Buffer): Promise<string> {
  const { octokit, owner, repo } = github
  const content = bytes.toString('base64')
  const blob = await octokit.rest.git.createBlob({ owner, repo, content, encoding: 'base64' })
  return readObject(github, blob.data).sha
}

/** Refused: `github_*`; `github_rejected` where somebody else has moved the branch meanwhile. */
export async function moveBranch(
  { octokit, owner, repo }: GitHub,
  branch: string,
  { from, to }: { from: string | null; to: string },
): Promise<void> {
  if (from === null)
    await octokit.rest.git.createRef({ owner, repo, ref: `refs/heads/${branch}`, sha: to })
  else
    await octokit.rest.git.updateRef({
      ...{ owner, repo, ref: `heads/${branch}` },
      ...{ sha: to, force: false },
    })
}
