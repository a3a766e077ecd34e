import { describe, expect, test } from 'vitest'
import { judgeBranchRules, readBranchRules } from '../../../keys-pipeline/github/branch-rules.ts'
import { type GitHubServer, githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const CHECK = 'judge-keys'

const ruleset = {
  ruleset_source_type: 'Repository',
  ruleset_source: 'acme-health/keys',
  ruleset_id: 1,
}
const checks = (...contexts: string[]) => ({
  ...ruleset,
  type: 'required_status_checks',
  parameters: {
    required_status_checks: contexts.map(context => ({ context })),
    strict_required_status_checks_policy: false,
  },
})
const review = (require_code_owner_review: boolean) => ({
  ...ruleset,
  type: 'pull_request',
  parameters: {
    dismiss_stale_reviews_on_push: true,
    require_code_owner_review,
    require_last_push_approval: false,
    required_approving_review_count: 1,
    required_review_thread_resolution: false,
  },
})
const classicChecks = (...contexts: string[]) => ({
  required_status_checks: {
    contexts,
    checks: contexts.map(context => ({ context, app_id: null })),
  },
})
const classicReview = (require_code_owner_reviews: boolean) => ({
  required_pull_request_reviews: { require_code_owner_reviews, dismiss_stale_reviews: true },
})

const judged = async (seen: Partial<GitHubServer> = {}): Promise<string[]> => {
  Object.assign(server(), seen)
  return codes(judgeBranchRules(await readBranchRules(server().open(), 'main'), { check: CHECK }))
}

describe('is good', () => {
  test.each<[string, Partial<GitHubServer>]>([
    ['a ruleset', { rules: [checks('ci', CHECK), review(true)] }],
    ['several rulesets', { rules: [checks('ci'), checks(CHECK), review(false), review(true)] }],
    ['the classic protection', { protection: { ...classicChecks(CHECK), ...classicReview(true) } }],
    ['a part in each', { rules: [checks(CHECK)], protection: classicReview(true) }],
    ['the other part in each', { rules: [review(true)], protection: classicChecks(CHECK) }],
  ])('%s', async (_, seen) => {
    expect(await judged(seen)).toEqual([])
  })

  test('a rule on the second page', async () => {
    const many = Array.from({ length: 100 }, () => ({ ...ruleset, type: 'deletion' }))
    expect(await judged({ rules: [...many, checks(CHECK), review(true)] })).toEqual([])
  })
})

describe('is named', () => {
  const [check, owner] = ['branch_unprotected', 'branch_review_missing']
  test.each<[string, Partial<GitHubServer>, string[]]>([
    ['no rule at all', {}, [check, owner]],
    ['another check', { rules: [checks('ci'), review(true)] }, [check]],
    ['a check that is only called alike', { rules: [checks('Judge-Keys'), review(true)] }, [check]],
    ['a review by anybody', { rules: [checks(CHECK), review(false)] }, [owner]],
    ['no review', { rules: [checks(CHECK)] }, [owner]],
    ['a classic check of another name', { protection: classicChecks('ci') }, [check, owner]],
    [
      'a classic review by anybody',
      { protection: { ...classicChecks(CHECK), ...classicReview(false) } },
      [owner],
    ],
    ['a classic protection that asks for nothing', { protection: {} }, [check, owner]],
  ])('%s', async (_, seen, named) => {
    expect(await judged(seen)).toEqual(named)
  })
})

describe('a classic protection that the token may not see', () => {
  const hidden = { status: 403, body: { message: 'Resource not accessible' }, at: /protection$/ }

  test('counts as none, and the finding says that it was not seen', async () => {
    server().protection = { ...classicChecks(CHECK), ...classicReview(true) }
    server().faults.push(hidden)
    const rules = await readBranchRules(server().open(), 'main')
    expect(rules).toMatchObject({ checks: [], isWhole: false })
    const findings = judgeBranchRules(rules, { check: CHECK })
    expect(codes(findings)).toEqual(['branch_unprotected', 'branch_review_missing'])
    for (const { message } of findings) expect(message).toContain('hidden')
  })

  test('is told from one that is not there', async () => {
    const rules = await readBranchRules(server().open(), 'main')
    expect(rules.isWhole).toBe(true)
    for (const { message } of judgeBranchRules(rules, { check: CHECK }))
      expect(message).not.toContain('hidden')
  })

  test('does not matter where the rulesets are enough', async () => {
    server().faults.push(hidden)
    expect(await judged({ rules: [checks(CHECK), review(true)] })).toEqual([])
  })

  test('a failure is no answer', async () => {
    server().faults.push(
      ...Array.from({ length: 5 }, () => ({ status: 502, body: '<html>', at: /protection$/ })),
    )
    expect(codes(await refusalOf(readBranchRules(server().open(), 'main')))).toEqual([
      'github_failed',
    ])
    server().faults.splice(0)
  })
})

test('rulesets that cannot be read are no answer', async () => {
  server().faults.push({ status: 403, body: { message: 'no' }, at: /rules\/branches/ })
  expect(codes(await refusalOf(readBranchRules(server().open(), 'main')))).toEqual([
    'github_refused',
  ])
})
