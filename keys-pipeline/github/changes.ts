import { hash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import type { GitHub } from './client.ts'
import { replyReader, Sha } from './reply.ts'

/** What becomes of each file: its blob, or null where it goes. */
export type Changes = ReadonlyMap<string, string | null>

export interface Commit {
  sha: string
  /** The first is the commit that the branch was at before. */
  parents: readonly string[]
  message: string
  /** Milliseconds since the epoch; null where GitHub does not say. */
  at: number | null
}

/** What one commit has beyond another, since they parted. */
export interface Comparison {
  /** Null where GitHub does not list all of them. */
  changes: Changes | null
  /** The commits of the one that the other has not; null where GitHub does not list all of them. */
  commits: readonly Commit[] | null
  aheadBy: number
  behindBy: number
}

/** What a comparison lists at most. */
const MOST_FILES = 300

const Reply = Type.Object({
  ahead_by: Type.Integer(),
  behind_by: Type.Integer(),
  total_commits: Type.Integer(),
  commits: Type.Array(
    Type.Object({
      sha: Sha,
      parents: Type.Array(Type.Object({ sha: Sha })),
      commit: Type.Object({
        message: Type.String(),
        committer: Type.Union([Type.Object({ date: Type.Optional(Type.String()) }), Type.Null()]),
      }),
    }),
  ),
  files: Type.Optional(
    Type.Array(
      Type.Object({
        filename: Type.String(),
        previous_filename: Type.Optional(Type.String()),
        sha: Type.Union([Type.String(), Type.Null()]),
        status: Type.String(),
      }),
    ),
  ),
})
const readReply = replyReader('comparison', Reply)

/** Refused: `github_*`. @see GitHub REST, "Compare two commits" */
export async function compare(github: GitHub, base: string, head: string): Promise<Comparison> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.repos.compareCommitsWithBasehead({
    owner,
    repo,
    basehead: `${base}...${head}`,
  })
  const { ahead_by, behind_by, total_commits, commits, files = [] } = readReply(github, data)
  return {
    changes: files.length < MOST_FILES ? changesIn(files) : null,
    commits: commits.length === total_commits ? commits.map(commitOf) : null,
    aheadBy: ahead_by,
    behindBy: behind_by,
  }
}

function commitOf({ sha, parents, commit }: Static<typeof Reply>['commits'][number]): Commit {
  const at = Date.parse(commit.committer?.date ?? '')
  return {
    ...{ sha, message: commit.message, parents: parents.map(parent => parent.sha) },
    at: Number.isNaN(at) ? null : at,
  }
}

function changesIn(files: NonNullable<Static<typeof Reply>['files']>): Changes {
  const changes = new Map<string, string | null>()
  for (const { filename, previous_filename, sha, status } of files) {
    if (status === 'renamed' && previous_filename !== undefined)
      changes.set(previous_filename, null)
    changes.set(filename, status === 'removed' ? null : sha)
  }
  return changes
}

export const isSame = (these: Changes, those: Changes | null): boolean =>
  those !== null &&
  these.size === those.size &&
  [...these].every(([path, sha]) => those.has(path) && those.get(path) === sha)

/**
 * The name git gives a file, in a repository whose names have so many hex digits (40 or 64).
 *
 * @see Pro Git, "Git Objects": the hash of a header and the bytes
 */
export function blobSha(content: string, digits: number): string {
  const bytes = Buffer.from(content)
  const object = Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes])
  return hash(digits === 64 ? 'sha256' : 'sha1', object, 'hex')
}
