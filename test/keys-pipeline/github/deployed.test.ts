import { describe, expect, test } from 'vitest'
import { judgeBehind, newestPublication } from '../../../keys-pipeline/github/deployed.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes } from '../../support/keys.ts'

const server = githubForEach()
const MINUTE = 60_000
const NOW = Date.UTC(2026, 10, 25, 12)
const keys = (name: string, more: object = {}) => ({
  [`keys-pipeline/keys/nonprod/${name}.json`]: name,
  ...more,
})
/** A commit on main, so many minutes ago. */
const commit = (minutes: number, files: object) =>
  server().git.commit({ ...files }, { at: NOW - minutes * MINUTE })

function deploy(sha: string, ...states: string[]): void {
  server().deployments.unshift({
    ...{ id: server().deployments.length + 1, sha, environment: 'github-pages' },
    statuses: states.map(state => ({ state, created_at: '2026-11-25T11:00:00Z' })),
  })
}

async function judged(): Promise<string[]> {
  const github = server().open()
  const deployed = await newestPublication(github)
  if (deployed === null) throw new Error('nothing was deployed')
  return codes(await judgeBehind(github, deployed, NOW))
}

test('what was last deployed is the newest that succeeded', async () => {
  expect(await newestPublication(server().open())).toBeNull()
  const [one, two] = [commit(90, keys('a')), commit(80, keys('b'))]
  deploy(one, 'success')
  deploy(two, 'failure')
  expect((await newestPublication(server().open()))?.sha).toBe(one)
})

describe('is good', () => {
  test('main itself, deployed', async () => {
    deploy(commit(600, keys('a')), 'success')
    expect(await judged()).toEqual([])
  })

  test('old commits that touch no key', async () => {
    deploy(commit(600, keys('a')), 'success')
    commit(500, keys('a', { 'README.md': 'x' }))
    commit(400, keys('a', { 'README.md': 'y' }))
    expect(await judged()).toEqual([])
  })

  test('keys that came less than an hour ago, whatever lies before them', async () => {
    commit(900, keys('z'))
    deploy(commit(600, keys('a')), 'success')
    commit(500, keys('a', { 'README.md': 'x' }))
    commit(59, keys('b'))
    expect(await judged()).toEqual([])
  })

  test('keys that came and went again', async () => {
    deploy(commit(600, keys('a')), 'success')
    commit(500, keys('b'))
    commit(400, keys('a'))
    expect(await judged()).toEqual([])
  })
})

describe('is behind', () => {
  test.each([60, 61, 6000])('keys that came %i min ago', async minutes => {
    deploy(commit(9000, keys('a')), 'success')
    commit(minutes, keys('b'))
    expect(await judged()).toEqual(['deployment_behind'])
  })

  test('later commits do not begin the hour anew', async () => {
    deploy(commit(600, keys('a')), 'success')
    commit(70, keys('b'))
    commit(5, keys('b', { 'README.md': 'x' }))
    commit(1, keys('c'))
    expect(await judged()).toEqual(['deployment_behind'])
  })

  test.each([
    ['a file that went', {}],
    ['a file that came', keys('a', keys('b'))],
    ['another record', keys('a', { 'keys-pipeline/keys/nonprod/lifecycle.json': '{}' })],
    ['a key of the other environment', keys('a', { 'keys-pipeline/keys/production/c.pem': 'c' })],
  ])('%s', async (_, files) => {
    deploy(commit(600, keys('a')), 'success')
    commit(90, files)
    expect(await judged()).toEqual(['deployment_behind'])
  })

  test('a deployment that failed leaves the old one', async () => {
    deploy(commit(600, keys('a')), 'success')
    deploy(commit(90, keys('b')), 'failure', 'in_progress')
    expect(await judged()).toEqual(['deployment_behind'])
  })

  test('a history of many commits is not read to its end', async () => {
    deploy(commit(9000, keys('a')), 'success')
    for (let count = 0; count < 40; count++)
      commit(100 - count, keys('b', { 'README.md': `${count}` }))
    expect(await judged()).toEqual(['deployment_behind'])
    expect(server().requests.filter(({ line }) => /git\/commits/.test(line))).toHaveLength(30)
  })
})
