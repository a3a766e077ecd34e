import Type from 'typebox'
import type { GitHub } from './client.ts'
import { titled } from './markdown.ts'
import { replyReader } from './reply.ts'

export interface Pull {
  number: number
  url: string
  /** Closed, and not merged, by a person or because its branch went. */
  isDeclined: boolean
  isOpen: boolean
}

const Reply = Type.Object({ number: Type.Integer(), html_url: Type.String() })
const readPull = replyReader('pull request', Reply)
const readState = replyReader(
  'pull request',
  Type.Object({ state: Type.String(), merged_at: Type.Union([Type.String(), Type.Null()]) }),
)
const readPulls = replyReader(
  'list of pull requests',
  Type.Array(
    Type.Object({
      number: Type.Integer(),
      html_url: Type.String(),
      state: Type.String(),
      merged_at: Type.Union([Type.String(), Type.Null()]),
      head: Type.Object({
        repo: Type.Union([Type.Object({ full_name: Type.String() }), Type.Null()]),
      }),
    }),
  ),
)

/** The newest pull request of a branch; null where there is none. Refused: `github_*`. */
export async function newestPull(
  github: GitHub,
  branch: string,
  base: string,
): Promise<Pull | null> {
  const { octokit, owner, repo, repository } = github
  const { data } = await octokit.rest.pulls.list({
    owner,
    repo,
    head: `${owner}:${branch}`,
    base,
    state: 'all',
    sort: 'created',
    direction: 'desc',
  })
  // A fork of the same owner has branches of the same names.
  const found = readPulls(github, data).find(
    ({ head }) => head.repo?.full_name.toLowerCase() === repository.toLowerCase(),
  )
  if (found === undefined) return null
  const isOpen = found.state === 'open'
  const isDeclined = !isOpen && found.merged_at === null
  return { number: found.number, url: found.html_url, isOpen, isDeclined }
}

/** Refused: `github_*`; `github_rejected` where the branch has an open one already. */
export async function openPull(
  github: GitHub,
  { branch, base, title, body }: { branch: string; base: string; title: string; body: string },
): Promise<{ number: number; url: string }> {
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

export type PullState = 'open' | 'closed' | 'merged'

/** Refused: `github_*`. */
export async function stateOfPull(github: GitHub, pull_number: number): Promise<PullState> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.pulls.get({ owner, repo, pull_number })
  const { state, merged_at } = readState(github, data)
  if (merged_at !== null) return 'merged'
  return state === 'open' ? 'open' : 'closed'
}

/** Closed before it is said why: what fails then is not said again at each attempt. Refused: `github_*`. */
export async function closePull(github: GitHub, number: number, why: string): Promise<void> {
  const { octokit, owner, repo } = github
  await octokit.rest.pulls.update({ owner, repo, pull_number: number, state: 'closed' })
  await octokit.rest.issues.createComment({
    ...{ owner, repo, issue_number: number, body: why },
    // After a 502 it may have been made.
    request: { retries: 0 },
  })
}

/** Refused: `github_*`; `github_rejected` where its branch is gone or it was merged. */
export async function reopenPull(github: GitHub, pull_number: number): Promise<void> {
  const { octokit, owner, repo } = github
  await octokit.rest.pulls.update({ owner, repo, pull_number, state: 'open' })
}
