import { type Finding, PipelineError } from '../errors.ts'
import { judgeBranchRules, readBranchRules } from './branch-rules.ts'
import type { GitHub } from './client.ts'
import { judgeOwners, readOwnerFaults } from './code-owners.ts'
import { judgePagesState, readPagesState } from './pages-state.ts'
import { defaultBranch, judgePinning, readPinning } from './repository.ts'

/** The job of publish-keys.yml that judges a change: GitHub shows it as a check of this name. */
export const REQUIRED_CHECK = 'judge-keys'

/**
 * What in the repository's settings lets a key past the check or past the custodians, or would take the site from the
 * EHRs: `pages_*`, `branch_*`, `actions_not_pinned`. What the token may not see is never good, and what could not be
 * asked is a finding too (`github_*`), beside the rest: it never throws what GitHub fails with.
 *
 * @param site where it is meant to be, and milliseconds since the epoch
 */
export async function judgeRepository(
  github: GitHub,
  site: { baseUrl: string; now: number },
): Promise<Finding[]> {
  return attempted(async () => {
    const branch = await defaultBranch(github)
    const parts = await Promise.all([
      attempted(async () => judgePagesState(await readPagesState(github), site)),
      attempted(async () =>
        judgeBranchRules(await readBranchRules(github, branch), { check: REQUIRED_CHECK }),
      ),
      attempted(async () => judgeOwners(await readOwnerFaults(github, branch), github.repository)),
      attempted(async () => judgePinning(await readPinning(github), github.repository)),
    ])
    return parts.flat()
  })
}

async function attempted(work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PipelineError) return [...error.findings]
    throw error
  }
}
