import Type, { type Static } from 'typebox'
import { type Finding, finding } from '../errors.ts'
import type { GitHub } from './client.ts'
import { gitObjects } from './git-objects.ts'
import { replyReader } from './reply.ts'
import { headOfDefaultBranch } from './repository.ts'

/** Milliseconds from a push to the end of its deployment, with the time that a reviewer takes. */
const PATIENCE = 60 * 60 * 1000

const KEYS = 'keys-pipeline/keys'

const Comparison = Type.Object({
  total_commits: Type.Integer(),
  commits: Type.Array(
    Type.Object({
      sha: Type.String(),
      parents: Type.Array(Type.Object({ sha: Type.String() })),
      commit: Type.Object({
        committer: Type.Union([Type.Object({ date: Type.Optional(Type.String()) }), Type.Null()]),
      }),
    }),
  ),
})
const readComparison = replyReader('comparison', Comparison)

/**
 * Whether the keys of the default branch have waited too long to be deployed: an hour ago it had others than the commit
 * that was deployed last, and has them still. Refused: `github_*`; the fault is `deployment_behind`.
 *
 * @see GitHub REST, "Compare two commits"
 */
export async function judgeLag(github: GitHub, deployed: string, now: number): Promise<Finding[]> {
  const { octokit, owner, repo } = github
  const { branch, sha: head } = await headOfDefaultBranch(github)
  if (head === deployed) return []
  const { data } = await octokit.rest.repos.compareCommitsWithBasehead({
    ...{ owner, repo, basehead: `${deployed}...${head}` },
  })
  const then = standingAt(now - PATIENCE, head, readComparison(github, data))
  if (then === null) return []
  const objects = gitObjects(github)
  const keysAt = async (sha: string): Promise<string> =>
    (await objects.filesBelow(sha, KEYS)).map(({ path, sha: blob }) => `${path} ${blob}`).join('\n')
  const published = await keysAt(deployed)
  if ((await keysAt(head)) === published || (await keysAt(then)) === published) return []
  const message = `${branch} has had other keys for over an hour than what is deployed, ${deployed}`
  return [finding('deployment_behind', github.repository, message)]
}

/**
 * Where the branch stood at a time; null where it was no further than what it is compared with. By the first parents:
 * what was merged may be older than its merge, and was not on the branch before.
 */
function standingAt(
  time: number,
  head: string,
  { commits, total_commits }: Static<typeof Comparison>,
): string | null {
  // So many commits without one deployment are no matter of an hour.
  if (commits.length < total_commits) return head
  const ahead = new Map(commits.map(each => [each.sha, each]))
  for (let each = ahead.get(head); each; each = ahead.get(each.parents[0]?.sha ?? '')) {
    if (Date.parse(each.commit.committer?.date ?? '') <= time) return each.sha
  }
  return null
}
