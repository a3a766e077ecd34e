import Type from 'typebox'
import { type Finding, finding } from '../errors.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import type { GitHub } from './client.ts'
import { type Publication, publicationHistory } from './deployments.ts'
import { gitObjects } from './git-objects.ts'
import { KEYS_FOLDER } from './key-changes.ts'
import { replyReader } from './reply.ts'
import { headOfDefaultBranch } from './repository.ts'

const HOUR = 60 * 60 * 1000
/** Commits that are looked at, newest first. If the keys changed before all of these, that was long ago. */
const MOST_COMMITS = 30

const readCommit = replyReader(
  'commit',
  Type.Object({
    committer: Type.Object({ date: Type.String() }),
    parents: Type.Array(Type.Object({ sha: Type.String({ minLength: 1 }) })),
  }),
)

/** The last deployment that succeeded; null where none is known, as on another host. Refused: `github_*`. */
export async function newestPublication(github: GitHub): Promise<Publication | null> {
  const { value } = await publicationHistory(github).next()
  return value ?? null
}

/**
 * Whether the default branch has had other keys than the deployed ones for an hour: `deployment_behind`. The time is
 * that of the first commit on the branch that differs, so that later commits do not begin the hour anew.
 *
 * Refused: `github_*`.
 */
export async function judgeBehind(
  github: GitHub,
  deployed: Publication,
  now: number,
): Promise<Finding[]> {
  const { branch, sha: head } = await headOfDefaultBranch(github)
  const keysAt = keysReader(github)
  const live = await keysAt(deployed.sha)
  let since: number | null = null
  let at: string | undefined = head
  for (let seen = 0; at !== undefined && seen < MOST_COMMITS; seen++) {
    if ((await keysAt(at)) === live) break
    const commit = await commitAt(github, at)
    since = Date.parse(commit.committer.date)
    at = commit.parents[0]?.sha
  }
  if (since === null || now - since < HOUR) return []
  const minutes = Math.floor((now - since) / 60_000)
  return [
    finding(
      'deployment_behind',
      KEYS_FOLDER,
      `${branch} has had other keys for ${minutes} min than ${deployed.sha}, which is deployed`,
    ),
  ]
}

/** The key files of a commit, as one text: the same for the same files. */
function keysReader(github: GitHub): (sha: string) => Promise<string> {
  const objects = gitObjects(github)
  return async commit => {
    const files = await Promise.all(
      ENVIRONMENTS.map(each => objects.filesBelow(commit, `${KEYS_FOLDER}/${each}`)),
    )
    return JSON.stringify(files.flat().map(({ path, sha }) => [path, sha]))
  }
}

async function commitAt(github: GitHub, commit_sha: string) {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.git.getCommit({ owner, repo, commit_sha })
  return readCommit(github, data)
}
