import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { folderWith } from '../../support/keys.ts'
import { type Finished, KEYS_CLI, PROJECT, run } from '../../support/processes.ts'
import { asItShouldBe } from '../../support/repository.ts'

const BASE = 'https://keys.example.com'
const server = githubForEach()
let folder: string

beforeEach(() => {
  folder = folderWith({
    'publisher.yaml': readFileSync(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), 'utf8'),
  })
})

/** As a custodian runs it, with the repository and the token in the environment. */
const github = (...args: string[]): Promise<Finished> =>
  run(KEYS_CLI, ['github', ...args, '--settings', 'publisher.yaml'], {
    cwd: folder,
    env: { GITHUB_API_URL: server().url, GITHUB_REPOSITORY: REPOSITORY, GITHUB_TOKEN: 'SECRET' },
  })
const codesIn = ({ stdout }: Finished): string[] =>
  JSON.parse(stdout).findings.map(({ code }: { code: string }) => code)

describe('check', () => {
  test('a repository as it should be exits 0', async () => {
    Object.assign(server(), asItShouldBe(BASE))
    const ended = await github('check', '--json')
    expect([ended.code, codesIn(ended)]).toEqual([0, []])
    expect((await github('check')).stdout).toContain(REPOSITORY)
  })

  test('what is wrong is told at once, and exits 1', async () => {
    Object.assign(server(), asItShouldBe(BASE), { rules: [], permissions: { enabled: true } })
    const ended = await github('check', '--json')
    expect([ended.code, codesIn(ended)]).toEqual([
      1,
      ['branch_unprotected', 'branch_review_missing', 'actions_not_pinned'],
    ])
    expect((await github('check')).stdout).toContain('branch_unprotected')
  })

  test('changes nothing, and shows nothing of the token', async () => {
    const { stdout, stderr } = await github('check')
    expect([server().writes(), (stdout + stderr).includes('SECRET')]).toEqual([[], false])
    expect(server().requests[0]?.authorization).toBe('token SECRET')
  })
})
