import { expect, test } from 'vitest'
import { headOfDefaultBranch } from '../../../keys-pipeline/github/repository.ts'
import { githubForEach } from '../../support/github-server.ts'
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
