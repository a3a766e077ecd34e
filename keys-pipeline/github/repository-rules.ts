import { type Finding, PipelineError } from '../errors.ts'
import { judgeBranchRules, readBranchRules } from './branch-rules.ts'
import type { GitHub } from './client.ts'
import { judgeOwners, readOwnerFaults } from './code-owners.ts'
import { judgePagesState, readPagesState } from './pages-state.ts'
import { defaultBranch, judgePinning, readPinning } from './repository.ts'

/** The job of publish-keys.yml that judges a pull request. */
const CHECK = 'judge-keys'

/**
 * What of the repository's settings lets a bad key set be published, or a good one not be seen: Pages, the rules of the
 * default branch, its code owners, the pinning of actions. What the token may not see is never good, and what cannot
 * be read is a finding beside the others. Refused: `github_*` where the repository itself cannot be read.
 */
export async function judgeRepository(
  github: GitHub,
  { baseUrl, now }: { baseUrl: string; now: number },
): Promise<Finding[]> {
  const { repository } = github
  const branch = await defaultBranch(github)
  const looks = [
    async () => judgePagesState(await readPagesState(github), { baseUrl, now }),
    async () =>
      judgeBranchRules(await readBranchRules(github, branch), { check: CHECK, repository }),
    async () => judgeOwners(await readOwnerFaults(github, branch), repository),
    async () => judgePinning(await readPinning(github), repository),
  ]
  const found = await Promise.all(looks.map(look => look().catch(findingsOf)))
  return found.flat()
}

function findingsOf(error: unknown): Finding[] {
  if (error instanceof PipelineError) return [...error.findings]
  throw error
}
