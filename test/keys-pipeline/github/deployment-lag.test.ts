import { describe, expect, test } from 'vitest'
import { judgeLag } from '../../../keys-pipeline/github/deployment-lag.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const MINUTE = 60_000
const NOW = Date.UTC(2026, 10, 25)
/** What a commit of that many minutes ago holds: which keys, and whatever else. */
const files = (keys: string, other = '') => ({
  'keys-pipeline/keys/nonprod/a.json': keys,
  'README.md': other,
})
const commit = (keys: string, minutes: number, other = '') =>
  server().git.commit(files(keys, other), { at: NOW - minutes * MINUTE })
const judged = async (deployed: string) => codes(await judgeLag(server().open(), deployed, NOW))

describe('is good', () => {
  test('a branch whose end is deployed, however old it is', async () => {
    expect(await judged(commit('a', 9000))).toEqual([])
  })

  test('other keys that came less than an hour ago', async () => {
    const deployed = commit('a', 9000)
    commit('b', 59)
    expect(await judged(deployed)).toEqual([])
  })

  test('commits that leave the keys as they are, however old', async () => {
    const deployed = commit('a', 9000)
    commit('a', 500, 'a page')
    commit('a', 400, 'another')
    expect(await judged(deployed)).toEqual([])
  })

  test('other keys that came within the hour, after older commits that changed something else', async () => {
    const deployed = commit('a', 9000)
    commit('a', 500, 'a page')
    commit('b', 10)
    expect(await judged(deployed)).toEqual([])
  })

  test('other keys that were taken back', async () => {
    const deployed = commit('a', 9000)
    commit('b', 500)
    commit('a', 5)
    expect(await judged(deployed)).toEqual([])
  })

  test('an old commit that was merged within the hour', async () => {
    const deployed = commit('a', 9000)
    server().git.refs.set('heads/next', deployed)
    const at = NOW - 600 * MINUTE
    const theirs = server().git.commit(files('b'), { branch: 'next', at })
    server().git.commit(files('b'), { at: NOW - 5 * MINUTE, merges: [theirs] })
    expect(await judged(deployed)).toEqual([])
  })
})

describe('is behind', () => {
  test('a branch that has had other keys for an hour', async () => {
    const deployed = commit('a', 9000)
    commit('b', 60)
    expect(await judged(deployed)).toEqual(['deployment_behind'])
  })

  test('even where something else was committed since', async () => {
    const deployed = commit('a', 9000)
    commit('b', 500)
    commit('b', 5, 'an attempt to deploy again')
    expect(await judged(deployed)).toEqual(['deployment_behind'])
  })

  test('a merge of an hour ago', async () => {
    const deployed = commit('a', 9000)
    server().git.refs.set('heads/next', deployed)
    const theirs = server().git.commit(files('b'), { branch: 'next', at: NOW })
    server().git.commit(files('b'), { at: NOW - 61 * MINUTE, merges: [theirs] })
    expect(await judged(deployed)).toEqual(['deployment_behind'])
  })

  test('a key that went', async () => {
    const deployed = commit('a', 9000)
    server().git.commit({ 'README.md': '' }, { at: NOW - 90 * MINUTE })
    expect(await judged(deployed)).toEqual(['deployment_behind'])
  })

  test('more commits than GitHub lists, none of them deployed', async () => {
    const deployed = commit('a', 9000)
    for (let count = 0; count < 251; count++) commit('b', 1, `${count}`)
    expect(await judged(deployed)).toEqual(['deployment_behind'])
  })
})

test('the fault is the repository’s, so that it stays one issue while the branch moves', async () => {
  const deployed = commit('a', 9000)
  commit('b', 61)
  const [first] = await judgeLag(server().open(), deployed, NOW)
  commit('c', 61)
  const [second] = await judgeLag(server().open(), deployed, NOW)
  expect([first?.file, second?.file]).toEqual(['acme-health/keys', 'acme-health/keys'])
})

test.each([
  ['a commit that is no longer there', { status: 404, body: { message: 'Not Found' } }],
  ['a page', { status: 200, body: '<html>' }],
  ['no right', { status: 403, body: { message: 'no' } }],
])('what cannot be read (%s) is refused, not good', async (_, fault) => {
  const deployed = commit('a', 9000)
  commit('b', 500)
  server().faults.push({ ...fault, at: /compare/ })
  expect(await refusalOf(judgeLag(server().open(), deployed, NOW))).toHaveLength(1)
})
