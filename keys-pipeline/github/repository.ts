import Type from 'typebox'
import { type Finding, finding } from '../errors.ts'
import type { GitHub } from './client.ts'
import { isHidden } from './failure.ts'
import { replyReader } from './reply.ts'

const readRepository = replyReader(
  'description of a repository',
  Type.Object({ default_branch: Type.String({ minLength: 1 }) }),
)

/** The branch that is published from. Refused: `github_*`. */
export async function defaultBranch(github: GitHub): Promise<string> {
  const { octokit, owner, repo } = github
  const { data } = await octokit.rest.repos.get({ owner, repo })
  return readRepository(github, data).default_branch
}

const readPermissions = replyReader(
  'settings of Actions',
  Type.Object({ sha_pinning_required: Type.Optional(Type.Boolean()) }),
)

/**
 * Whether workflows may only use actions that are pinned by hash; null where the token may not see it, which takes
 * Administration: read.
 *
 * @see GitHub REST, "Get GitHub Actions permissions for a repository"
 */
export async function readPinning(github: GitHub): Promise<boolean | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.actions.getGithubActionsPermissionsRepository({
      owner,
      repo,
    })
    return readPermissions(github, data).sha_pinning_required ?? false
  } catch (error) {
    if (isHidden(error)) return null
    throw error
  }
}

export function judgePinning(isRequired: boolean | null, repository: string): Finding[] {
  if (isRequired === true) return []
  const message =
    isRequired === null
      ? 'this token may not see whether actions must be pinned'
      : 'actions need not be pinned'
  return [finding('actions_not_pinned', repository, message)]
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
