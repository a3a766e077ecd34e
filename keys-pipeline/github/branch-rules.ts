import Type from 'typebox'
import { type Code, type Finding, finding } from '../errors.ts'
import type { GitHub } from './client.ts'
import { isHidden } from './failure.ts'
import { replyReader } from './reply.ts'

/** What must happen before something gets onto a branch. */
export interface BranchRules {
  branch: string
  /** The status checks that are required, by the name of their context. */
  checks: readonly string[]
  isCodeOwnerReviewRequired: boolean
  /** False where the classic branch protection could not be read, so that there may be more than is known here. */
  isWhole: boolean
}

type Required = Pick<BranchRules, 'checks' | 'isCodeOwnerReviewRequired'>

const Rules = Type.Array(
  Type.Object({
    type: Type.String(),
    parameters: Type.Optional(
      Type.Object({
        required_status_checks: Type.Optional(Type.Array(Type.Object({ context: Type.String() }))),
        require_code_owner_review: Type.Optional(Type.Boolean()),
      }),
    ),
  }),
)
const readRules = replyReader('rules of a branch', Rules)

const readProtection = replyReader(
  'protection of a branch',
  Type.Object({
    required_status_checks: Type.Optional(Type.Object({ contexts: Type.Array(Type.String()) })),
    required_pull_request_reviews: Type.Optional(
      Type.Object({ require_code_owner_reviews: Type.Boolean() }),
    ),
  }),
)

/**
 * The rules of a branch: the active rulesets, which anyone who may read the repository can see, and the
 * classic branch protection, which only its administrators can. Refused: `github_*`.
 *
 * @see GitHub REST, "Get rules for a branch" and "Get branch protection"
 */
export async function readBranchRules(github: GitHub, branch: string): Promise<BranchRules> {
  const ruled = await readRulesets(github, branch)
  const classic = await readClassic(github, branch)
  return {
    branch,
    checks: [...new Set([...ruled.checks, ...(classic?.checks ?? [])])],
    isCodeOwnerReviewRequired:
      ruled.isCodeOwnerReviewRequired || (classic?.isCodeOwnerReviewRequired ?? false),
    isWhole: classic !== null,
  }
}

async function readRulesets(github: GitHub, branch: string): Promise<Required> {
  const { octokit, owner, repo } = github
  const rules = readRules(
    github,
    await octokit.paginate(octokit.rest.repos.getBranchRules, {
      owner,
      repo,
      branch,
      per_page: 100,
    }),
  )
  return {
    checks: rules
      .filter(({ type }) => type === 'required_status_checks')
      .flatMap(({ parameters }) => parameters?.required_status_checks ?? [])
      .map(({ context }) => context),
    isCodeOwnerReviewRequired: rules.some(
      ({ type, parameters }) =>
        type === 'pull_request' && parameters?.require_code_owner_review === true,
    ),
  }
}

/** Null where it is not known: to who may not look GitHub says that nothing is there, in other words than these. */
async function readClassic(github: GitHub, branch: string): Promise<Required | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.repos.getBranchProtection({ owner, repo, branch })
    const { required_status_checks, required_pull_request_reviews } = readProtection(github, data)
    return {
      checks: required_status_checks?.contexts ?? [],
      isCodeOwnerReviewRequired: required_pull_request_reviews?.require_code_owner_reviews ?? false,
    }
  } catch (error) {
    if (!isHidden(error)) throw error
    return error.message.includes('Branch not protected') ? NOTHING : null
  }
}

const NOTHING: Required = { checks: [], isCodeOwnerReviewRequired: false }

/** `check` is the context of the publish check. What is not seen to be required counts as not required. */
export function judgeBranchRules(rules: BranchRules, { check }: { check: string }): Finding[] {
  const { branch, checks, isCodeOwnerReviewRequired, isWhole } = rules
  const hidden = isWhole ? '' : '; the classic protection is hidden from this token'
  const missing = (code: Code, what: string): Finding =>
    finding(code, branch, `no rule of ${branch} requires ${what}${hidden}`)
  return [
    ...(checks.includes(check) ? [] : [missing('branch_unprotected', `the check ${check}`)]),
    ...(isCodeOwnerReviewRequired
      ? []
      : [missing('branch_review_missing', "a code owner's review")]),
  ]
}
