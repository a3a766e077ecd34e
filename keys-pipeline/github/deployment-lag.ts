import { type Finding, finding } from '../errors.ts'
import { type Commit, compare } from './changes.ts'
import type { GitHub } from './client.ts'
import { gitObjects, KEYS_FOLDER } from './git-objects.ts'
import { headOfDefaultBranch } from './repository.ts'

/** Milliseconds from a push to the end of its deployment, with the time that a reviewer takes. */
const PATIENCE = 60 * 60 * 1000

/**
 * Whether the default branch has waited too long for its keys to be deployed: it had others than the commit that was
 * deployed an hour ago, and has them still. Refused: `github_*`; a fault is `deployment_behind`.
 */
export async function judgeLag(github: GitHub, deployed: string, now: number): Promise<Finding[]> {
  const { branch, sha: head } = await headOfDefaultBranch(github)
  if (head === deployed) return []
  const { commits } = await compare(github, deployed, head)
  const then = commits === null ? head : standingAt(now - PATIENCE, head, commits)
  if (then === null) return []
  const objects = gitObjects(github)
  const keysAt = async (sha: string): Promise<string> =>
    (await objects.filesBelow(sha, KEYS_FOLDER)).map(each => `${each.path} ${each.sha}`).join('\n')
  const published = await keysAt(deployed)
  if ((await keysAt(head)) === published || (await keysAt(then)) === published) return []
  const message = `${branch} has had other keys than what is deployed (${deployed.slice(0, 7)}) for over an hour`
  return [finding('deployment_behind', github.repository, message)]
}

/**
 * Where the branch stood at a time; null where that is not among the commits it is ahead by. By the first parents: what
 * was merged may be older than its merge, and was not on the branch before.
 */
function standingAt(time: number, head: string, commits: readonly Commit[]): string | null {
  const ahead = new Map(commits.map(commit => [commit.sha, commit]))
  for (let each = ahead.get(head); each; each = ahead.get(each.parents[0] ?? '')) {
    if (each.at !== null && each.at <= time) return each.sha
  }
  return null
}
