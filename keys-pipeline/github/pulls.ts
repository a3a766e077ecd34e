import Type, { type Static } from 'typebox'
import type { GitHub } from './client.ts'
import { titled } from './markdown.ts'
import { replyReader } from './reply.ts'

export interface Pull {
  number: number
  /** For people. */
  url: string
}

const Shown = Type.Object({ number: Type.Integer(), html_url: Type.String() })
const readPull = replyReader('pull request', Shown)
const readPulls = replyReader(
  'list of pull requests',
  Type.Array(
    Type.Object({
      ...Shown.properties,
      state: Type.String(),
      merged_at: Type.Union([Type.String(), Type.Null()]),
      head: Type.Object({
        repo: Type.Union([Type.Object({ full_name: Type.String() }), Type.Null()]),
      }),
    }),
  ),
)

/**
 * The open pull request from a branch of the repository itself, or else the last one where it was closed and not merged;
 * null where there is neither. Refused: `github_*`.
 *
 * @see GitHub REST, "List pull requests"
 */
export async function pullOf(
  github: GitHub,
  branch: string,
  base: string,
): Promise<{ pull: Pull; isOpen: boolean } | null> {
  const { octokit, owner, repo, repository } = github
  const { data } = await octokit.rest.pulls.list({
    ...{ owner, repo, base, head: `${owner}:${branch}` },
    ...{ state: 'all', sort: 'created', direction: 'desc', per_page: 100 },
  })
  // A fork of the same owner has branches of the same names.
  const ours = readPulls(github, data).filter(
    ({ head }) => head.repo?.full_name.toLowerCase() === repository.toLowerCase(),
  )
  const open = ours.find(({ state }) => state === 'open')
  const found = open ?? ours[0]
  if (found === undefined || (open === undefined && found.merged_at !== null)) return null
  return { pull: pullIn(found), isOpen: open !== undefined }
}

/** Refused: `github_*`; `github_rejected` where there is one from that branch already. */
export async function openPull(
  github: GitHub,
  { branch, base, title, body }: { branch: string; base: string; title: string; body: string },
): Promise<Pull> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.pulls.create({
    ...{ owner, repo, head: branch, base, title: titled(title), body },
  })
  return pullIn(readPull(github, data))
}

const pullIn = ({ number, html_url }: Static<typeof Shown>): Pull => ({ number, url: html_url })
