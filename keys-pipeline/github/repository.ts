import Type from 'typebox'
import type { GitHub } from './client.ts'
import { replyReader } from './reply.ts'

const readRepository = replyReader(
  'description of a repository',
  Type.Object({ default_branch: Type.String({ minLength: 1 }) }),
)

/** The branch that is published from. Refused: `github_*`. */
async function defaultBranch(github: GitHub): Promise<string> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.repos.get({ owner, repo })
  return readRepository(github, data).default_branch
}

const readReference = replyReader(
  'reference to a branch',
  Type.Object({ object: Type.Object({ sha: Type.String({ minLength: 1 }) }) }),
)

/** Where the branch that is published from stands now. Refused: `github_*`. */
export async function headOfDefaultBranch(
  github: GitHub,
): Promise<{ branch: string; sha: string }> {
  const { octokit, owner, repo } = github
  const branch = await defaultBranch(github)
  const { data } = await octokit.rest.git.getRef({ owner, repo, ref: `heads/${branch}` })
  return { branch, sha: readReference(github, data).object.sha }
}
