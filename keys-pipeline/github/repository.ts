import Type from 'typebox'
import { type Finding, finding, PipelineError } from '../errors.ts'
import type { GitHub } from './client.ts'
import { isMissing, unlessHidden } from './failure.ts'
import { replyReader, Sha } from './reply.ts'

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

const readReference = replyReader(
  'reference to a branch',
  Type.Object({ object: Type.Object({ sha: Sha }) }),
)

/** The commit at the end of a branch; null where there is no such branch. Refused: `github_*`. */
export async function headOf(github: GitHub, branch: string): Promise<string | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.git.getRef({ owner, repo, ref: `heads/${branch}` })
    return readReference(github, data).object.sha
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Where the branch that is published from stands now. Refused: `github_*`. */
export async function headOfDefaultBranch(
  github: GitHub,
): Promise<{ branch: string; sha: string }> {
  const branch = await defaultBranch(github)
  const sha = await headOf(github, branch)
  if (sha !== null) return { branch, sha }
  throw new PipelineError(
    finding('github_not_found', github.repository, `there is nothing on ${branch}`),
  )
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
  const reply = await unlessHidden(
    octokit.rest.actions.getGithubActionsPermissionsRepository({ owner, repo }),
  )
  return reply && (readPermissions(github, reply.data).sha_pinning_required ?? false)
}

/** Refused: `actions_not_pinned`; what is not seen to be required counts as not required. */
export function judgePinning(isRequired: boolean | null, repository: string): Finding[] {
  if (isRequired === true) return []
  const message =
    isRequired === null
      ? 'this token may not see whether actions must be pinned'
      : 'actions need not be pinned'
  return [finding('actions_not_pinned', repository, message)]
}
