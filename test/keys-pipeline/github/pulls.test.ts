import { describe, expect, test } from 'vitest'
import {
  closePull,
  newestPull,
  openPull,
  reopenPull,
  stateOfPull,
} from '../../../keys-pipeline/github/pulls.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const TIME = '2026-11-25T00:00:00Z'
const pull = (number: number, more: object = {}) => ({
  ...{ number, state: 'open', merged_at: null, head: 'work', base: 'main', title: '', body: '' },
  ...more,
})
const newest = () => newestPull(server().open(), 'work', 'main')

test('a branch that has none has none', async () => {
  server().pulls.push(pull(1, { head: 'other' }), pull(2, { base: 'develop' }))
  expect(await newest()).toBeNull()
})

test.each([
  ['open', {}, { isOpen: true, isDeclined: false }],
  ['closed', { state: 'closed' }, { isOpen: false, isDeclined: true }],
  ['merged', { state: 'closed', merged_at: TIME }, { isOpen: false, isDeclined: false }],
])('the newest counts: %s', async (_, more, expected) => {
  server().pulls.push(pull(1), pull(2, { state: 'closed' }), pull(3, more))
  expect(await newest()).toMatchObject({ number: 3, ...expected })
})

test('a fork’s branch of the same name is not ours', async () => {
  server().pulls.push(pull(1), pull(2, { from: 'stranger', state: 'closed' }))
  expect(await newest()).toMatchObject({ number: 1, isOpen: true })
})

describe('opening', () => {
  const asked = { branch: 'work', base: 'main', title: 'a\u202eb\nc', body: 'text' }

  test('says where it is; its title is one harmless line', async () => {
    server().git.commit({ a: '1' }, { branch: 'work' })
    const { number, url } = await openPull(server().open(), asked)
    expect([number, url]).toEqual([1, 'https://github.com/acme-health/keys/pull/1'])
    expect(server().pulls).toMatchObject([{ title: 'a\\u202eb\\u000ac', body: 'text' }])
  })

  test('a second one, or one of no branch, is refused', async () => {
    expect(codes(await refusalOf(openPull(server().open(), asked)))).toEqual(['github_rejected'])
    server().git.commit({ a: '1' }, { branch: 'work' })
    await openPull(server().open(), asked)
    expect(codes(await refusalOf(openPull(server().open(), asked)))).toEqual(['github_rejected'])
    expect(server().pulls).toHaveLength(1)
  })
})

test.each([
  ['open', {}],
  ['closed', { state: 'closed' }],
  ['merged', { state: 'closed', merged_at: TIME }],
] as const)('what became of one is told: %s', async (expected, more) => {
  server().pulls.push(pull(1, more))
  expect(await stateOfPull(server().open(), 1)).toBe(expected)
})

describe('taking one back', () => {
  test('closes it, says why once, and opens it again', async () => {
    server().git.commit({ a: '1' }, { branch: 'work' })
    server().pulls.push(pull(1))
    await closePull(server().open(), 1, 'needed')
    expect(await stateOfPull(server().open(), 1)).toBe('closed')
    expect(server().pullComments).toEqual([{ pull: 1, body: 'needed' }])
    await reopenPull(server().open(), 1)
    expect(await stateOfPull(server().open(), 1)).toBe('open')
  })

  test('one that was merged, or whose branch is gone, is not opened again', async () => {
    server().pulls.push(pull(1, { state: 'closed', merged_at: TIME }), pull(2, { state: 'closed' }))
    for (const number of [1, 2])
      expect(codes(await refusalOf(reopenPull(server().open(), number)))).toEqual([
        'github_rejected',
      ])
  })

  test('one that there is not is not found', async () => {
    expect(codes(await refusalOf(stateOfPull(server().open(), 9)))).toEqual(['github_not_found'])
  })
})
