import { hash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import type { GitHub } from './client.ts'
import { replyReader } from './reply.ts'

/** What becomes of each file: its blob, or null where it goes. */
export type Changes = ReadonlyMap<string, string | null>

/** What one commit has beyond another, since they parted. */
export interface Comparison {
  /** Null where GitHub does not list all of them. */
  changes: Changes | null
  /** Of each commit; null where GitHub does not list all of them. */
  messages: readonly string[] | null
  aheadBy: number
  behindBy: number
}

/** What a comparison lists at most. */
const MOST_FILES = 300

const Reply = Type.Object({
  ahead_by: Type.Integer(),
  behind_by: Type.Integer(),
  total_commits: Type.Integer(),
  commits: Type.Array(Type.Object({ commit: Type.Object({ message: Type.String() }) })),
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
  return comparisonOf(readReply(github, data))
}

function comparisonOf(reply: Static<typeof Reply>): Comparison {
  const { ahead_by, behind_by, total_commits, commits, files = [] } = reply
  const isWhole = commits.length === total_commits
  return {
    changes: files.length < MOST_FILES ? changesIn(files) : null,
    messages: isWhole ? commits.map(({ commit }) => commit.message) : null,
    aheadBy: ahead_by,
    behindBy: behind_by,
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
export function blobSha(bytes: Buffer, digits: number): string {
  const object = Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes])
  return hash(digits === 64 ? 'sha256' : 'sha1', object, 'hex')
}
