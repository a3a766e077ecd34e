import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { ecJwk, fill, folderWith, privateJwk, published } from '../../support/keys.ts'
import { type Finished, KEYS_CLI, PROJECT, run } from '../../support/processes.ts'
import { asItShouldBe } from '../../support/repository.ts'

const HERE = ['--settings', 'publisher.yaml']
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
  run(KEYS_CLI, ['github', ...args], {
    cwd: folder,
    env: { GITHUB_API_URL: server().url, GITHUB_REPOSITORY: REPOSITORY, GITHUB_TOKEN: 'SECRET' },
  })
const codesIn = ({ stdout }: Finished): string[] =>
  JSON.parse(stdout).findings.map(({ code }: { code: string }) => code)

describe('check', () => {
  test('a repository as it should be exits 0', async () => {
    Object.assign(server(), asItShouldBe(BASE))
    const ended = await github('check', ...HERE, '--json')
    expect([ended.code, codesIn(ended)]).toEqual([0, []])
    expect((await github('check', ...HERE)).stdout).toContain(REPOSITORY)
  })

  test('what is wrong is told at once, and exits 1', async () => {
    Object.assign(server(), asItShouldBe(BASE), { rules: [], permissions: { enabled: true } })
    const ended = await github('check', ...HERE, '--json')
    expect([ended.code, codesIn(ended)]).toEqual([
      1,
      ['branch_unprotected', 'branch_review_missing', 'actions_not_pinned'],
    ])
    expect((await github('check', ...HERE)).stdout).toContain('branch_unprotected')
  })

  test('changes nothing, and shows nothing of the token', async () => {
    const { stdout, stderr } = await github('check', ...HERE)
    expect([server().writes(), (stdout + stderr).includes('SECRET')]).toEqual([[], false])
    expect(server().requests[0]?.authorization).toBe('token SECRET')
  })
})

describe('propose', () => {
  const key = (which: number) => published({ ...ecJwk('P-256', which), kid: `kid-${which}` })
  const nonprod = (...which: number[]): Record<string, string> => {
    const created = '2026-11-25T00:00:00Z'
    const entries = which.map(each => [
      key(each).thumbprint,
      { kid: `kid-${each}`, created, role: 'signer' },
    ])
    const files = which.map(each => [`nonprod/${each}.json`, JSON.stringify(key(each).jwk)])
    const record = JSON.stringify({ keys: Object.fromEntries(entries) })
    return { ...Object.fromEntries(files), 'nonprod/lifecycle.json': record }
  }
  const propose = (...args: string[]) => github('propose', '--keys', 'keys', ...args)

  beforeEach(() => {
    const files = Object.entries(nonprod(0, 1))
    server().git.commit(
      Object.fromEntries(files.map(([path, text]) => [`keys-pipeline/keys/${path}`, text])),
    )
    fill(join(folder, 'keys'), nonprod(0, 1))
  })

  test('a key that was added here becomes a pull request, whose URL is printed; twice is once', async () => {
    fill(join(folder, 'keys'), nonprod(0, 1, 2))
    const first = await propose()
    expect([first.code, server().pulls.length]).toEqual([0, 1])
    expect(first.stdout).toContain('https://github.com/acme-health/keys/pull/1')
    expect(JSON.parse((await propose('--json')).stdout)).toMatchObject({
      ...{ did: 'unchanged', number: 1, title: 'Add key kid-2 to nonprod' },
      files: [
        { path: 'keys-pipeline/keys/nonprod/lifecycle.json', did: 'written' },
        { path: 'keys-pipeline/keys/nonprod/2.json', did: 'written' },
      ],
    })
  })

  test('a key that was retired here goes', async () => {
    const why = ['--environment', 'nonprod', '--unreleased', '--reason', 'yearly']
    const retire = ['retire', 'kid-0', ...why, '--keys', 'keys', ...HERE]
    expect(await run(KEYS_CLI, retire, { cwd: folder })).toMatchObject({ code: 0 })
    const { files, title } = JSON.parse((await propose('--json')).stdout)
    expect(title).toBe('Retire key kid-0 from nonprod')
    expect(files).toContainEqual({ path: 'keys-pipeline/keys/nonprod/0.json', did: 'removed' })
  })

  test('a dry run sends nothing', async () => {
    fill(join(folder, 'keys'), nonprod(0, 1, 2))
    const ended = await propose('--dry-run')
    expect([ended.code, server().writes()]).toEqual([0, []])
    expect(ended.stdout).toContain('+ keys-pipeline/keys/nonprod/2.json')
    expect(JSON.parse((await propose('--dry-run', '--json')).stdout).did).toBe('planned')
  })

  test('a folder that is behind the default branch takes nothing from it', async () => {
    rmSync(join(folder, 'keys', 'nonprod', '1.json'))
    expect(JSON.parse((await propose('--json')).stdout)).toEqual({ did: 'unneeded' })
    expect((await propose()).stdout).toContain('already')
  })

  test('private material is refused before GitHub is asked anything', async () => {
    fill(join(folder, 'keys'), { 'nonprod/secret.json': privateJwk() })
    const ended = await propose('--json')
    expect([ended.code, codesIn(ended)]).toEqual([1, ['private_member']])
    expect(server().requests).toEqual([])
  })

  test('one that somebody closed is told, and how to go on', async () => {
    fill(join(folder, 'keys'), nonprod(0, 1, 2))
    await propose()
    Object.assign(server().pulls[0] ?? {}, { state: 'closed' })
    const ended = await propose()
    expect([ended.code, server().pulls.length]).toEqual([0, 1])
    expect(ended.stdout).toContain('reopen')
  })
})
