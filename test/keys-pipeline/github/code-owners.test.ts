import { describe, expect, test } from 'vitest'
import { judgeOwners, readOwnerFaults } from '../../../keys-pipeline/github/code-owners.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const unknown = {
  ...{ line: 7, column: 22, kind: 'Unknown owner', path: '.github/CODEOWNERS' },
  ...{ source: '/keys-pipeline/ @OWNER/key-custodians', suggestion: null },
  message: 'Unknown owner on line 7: make sure the team exists and has write access',
}
const judged = async () =>
  judgeOwners(await readOwnerFaults(server().open(), 'main'), 'acme-health/keys')

test('owners that GitHub knows are good', async () => {
  server().owners = []
  expect(await judged()).toEqual([])
  expect(server().requests[0]?.line).toContain('ref=main')
})

test('a line that GitHub passes over is named, and all of them are one finding', async () => {
  server().owners = [unknown, { ...unknown, line: 8, kind: 'Invalid pattern' }]
  expect(await judged()).toMatchObject([
    { code: 'branch_owners_invalid', message: expect.stringMatching(/:7 Unknown.*:8 Invalid/) },
  ])
})

test('a file of nothing but mistakes, and a hostile one, has a bounded and harmless message', async () => {
  server().owners = Array.from({ length: 500 }, () => ({ ...unknown, kind: '\u001b[2J' }))
  const [found] = await judged()
  expect(found?.message).not.toContain('\u001b')
  expect(found?.message.length).toBeLessThan(2000)
})

describe('what cannot be seen is not good', () => {
  test.each([
    ['no such file', 404],
    ['no right to look', 403],
  ])('%s', async (_, status) => {
    server().faults.push({ status, body: { message: 'no' } })
    expect(codes(await judged())).toEqual(['branch_owners_invalid'])
  })

  test('another form', async () => {
    server().faults.push({ status: 200, body: { errors: 'none' } })
    expect(codes(await refusalOf(judged()))).toEqual(['github_failed'])
  })
})
