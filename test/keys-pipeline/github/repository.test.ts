import { describe, expect, test } from 'vitest'
import {
  headOfDefaultBranch,
  judgePinning,
  readPinning,
} from '../../../keys-pipeline/github/repository.ts'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()

test('the head of the default branch is where it stands now', async () => {
  server().git.commit({ a: '1' })
  const sha = server().git.commit({ a: '2' })
  expect(await headOfDefaultBranch(server().open())).toEqual({ branch: 'main', sha })
})

test('a repository without commits is refused', async () => {
  expect(codes(await refusalOf(headOfDefaultBranch(server().open())))).toEqual(['github_not_found'])
})

describe('that actions must be pinned', () => {
  const pinned = { enabled: true, sha_pinning_required: true }
  const judged = async () => {
    const isRequired = await readPinning(server().open())
    return { isRequired, codes: codes(judgePinning(isRequired, REPOSITORY)) }
  }

  test('is good', async () => {
    server().permissions = pinned
    expect(await judged()).toEqual({ isRequired: true, codes: [] })
  })

  test.each([
    ['is not required', { ...pinned, sha_pinning_required: false }],
    ['is not spoken of', { enabled: true }],
  ])('%s: it is named', async (_, permissions) => {
    server().permissions = permissions
    expect(await judged()).toEqual({ isRequired: false, codes: ['actions_not_pinned'] })
  })

  test.each([403, 404])('is unknown where the token may not look (%s), and named', async status => {
    server().permissions = pinned
    server().faults.push({ status, body: { message: 'no' }, at: /permissions$/ })
    expect(await judged()).toEqual({ isRequired: null, codes: ['actions_not_pinned'] })
  })

  test('a failure is no answer', async () => {
    server().faults.push({ status: 400, body: '<html>', at: /permissions$/ })
    expect(codes(await refusalOf(readPinning(server().open())))).toEqual(['github_failed'])
  })
})
