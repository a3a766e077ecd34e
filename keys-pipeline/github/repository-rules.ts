import { type Finding, PipelineError } from '../errors.ts'
import { judgeBranchRules, readBranchRules } from './branch-rules.ts'
import type { GitHub } from './client.ts'
import { judgePagesState, readPagesState } from './pages-state.ts'
import { defaultBranch, judgePinning, readPinning } from './repository.ts'

/** The job of publish-keys.yml that judges a change: GitHub shows it as a check of this name. */
export const REQUIRED_CHECK = 'judge-keys'

export interface RepositoryRules {
  /** Where the site is meant to be. */
  baseUrl: string
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * What in the repository's settings lets a key past the check or past the custodians, or would take the site from the
 * EHRs: `pages_*`, `branch_*`, `actions_not_pinned`. What could not be asked is among the findings (`github_*`) beside
 * the rest, and what the token may not see is never good. Refused: `github_*`, where the repository itself cannot be
 * read.
 */
export async function judgeRepository(
  github: GitHub,
  { baseUrl, now }: RepositoryRules,
): Promise<Finding[]> {
  const branch = await defaultBranch(github)
  const parts = [
    async () => judgePagesState(await readPagesState(github), { baseUrl, now }),
    async () => judgeBranchRules(await readBranchRules(github, branch), { check: REQUIRED_CHECK }),
    async () => judgePinning(await readPinning(github), github.repository),
  ]
  const findings: Finding[] = []
  for (const part of parts) findings.push(...(await part().catch(failureOf)))
  return findings
}

function failureOf(error: unknown): readonly Finding[] {
  if (error instanceof PipelineError) return error.findings
  throw error
}
