import Type from 'typebox'
import { type Finding, finding } from '../errors.ts'
import type { GitHub } from './client.ts'
import { isHidden } from './failure.ts'
import { replyReader } from './reply.ts'

/** A line that GitHub passes over, so that nobody owns what it names. */
interface OwnerFault {
  path: string
  line: number
  kind: string
}

const readErrors = replyReader(
  'errors of CODEOWNERS',
  Type.Object({
    errors: Type.Array(
      Type.Object({ path: Type.String(), line: Type.Integer(), kind: Type.String() }),
    ),
  }),
)

/**
 * What GitHub has against CODEOWNERS on a branch: owners that do not exist or may not write, among others. Null where
 * there is no such file, or the token may not see it.
 *
 * @see GitHub REST, "List CODEOWNERS errors"
 */
export async function readOwnerFaults(
  github: GitHub,
  branch: string,
): Promise<OwnerFault[] | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.repos.codeownersErrors({ owner, repo, ref: branch })
    return readErrors(github, data).errors
  } catch (error) {
    if (isHidden(error)) return null
    throw error
  }
}

/** Refused: `branch_owners_invalid`. A review that nobody in particular must give protects nothing. */
export function judgeOwners(faults: readonly OwnerFault[] | null, repository: string): Finding[] {
  if (faults === null)
    return [
      finding(
        'branch_owners_invalid',
        repository,
        'there is no CODEOWNERS that this token may see',
      ),
    ]
  if (faults.length === 0) return []
  const told = faults.map(({ path, line, kind }) => `${path}:${line} ${kind}`)
  return [finding('branch_owners_invalid', repository, told.join(', ').slice(0, 500))]
}
