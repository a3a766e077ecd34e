import { describe, expect, test } from 'vitest'
import { blobSha, compare, isSame } from '../../../keys-pipeline/github/comparison.ts'
import { githubForEach } from '../../support/github-server.ts'

const server = githubForEach()

/** What a branch has beyond main, where both began with the same files. */
async function beyond(main: Record<string, string>, branch: Record<string, string>) {
  const { git } = server()
  const fork = git.commit({ a: 'A', b: 'B' })
  git.refs.set('heads/work', fork)
  git.commit(main, { message: 'theirs' })
  git.commit(branch, { branch: 'work', message: 'ours' })
  return compare(
    server().open(),
    git.refs.get('heads/main') ?? '',
    git.refs.get('heads/work') ?? '',
  )
}
const sha = (text: string): string => blobSha(Buffer.from(text), 40)

test('what came, changed and went since the two parted, and nothing of the other side', async () => {
  const { changes, messages, aheadBy, behindBy } = await beyond(
    { a: 'A', b: 'B', other: 'x' },
    { a: 'A2', c: 'C' },
  )
  expect(changes).toEqual(
    new Map([
      ['a', sha('A2')],
      ['c', sha('C')],
      ['b', null],
    ]),
  )
  expect({ messages, aheadBy, behindBy }).toEqual({ messages: ['ours'], aheadBy: 1, behindBy: 1 })
})

test('a file that was renamed went under one name and came under another', async () => {
  const { changes } = await beyond({ a: 'A', b: 'B' }, { a: 'A', moved: 'B' })
  expect(changes).toEqual(
    new Map([
      ['moved', sha('B')],
      ['b', null],
    ]),
  )
})

test('what GitHub cuts short is unknown, not less', async () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`${at}`, 'x']))
  expect((await beyond({ a: 'A' }, { a: 'A', b: 'B', ...many })).changes).toBeNull()
})

describe('changes are the same', () => {
  const these = new Map([
    ['a', sha('A')],
    ['b', null],
  ])
  test.each<[string, Map<string, string | null> | null, boolean]>([
    ['in another order', new Map([...these].reverse()), true],
    ['with one less', new Map([['a', sha('A')]]), false],
    ['with one more', new Map([...these, ['c', null]]), false],
    [
      'with other bytes',
      new Map([
        ['a', sha('B')],
        ['b', null],
      ]),
      false,
    ],
    [
      'with a file in place of none',
      new Map([
        ['a', sha('A')],
        ['b', sha('B')],
      ]),
      false,
    ],
    ['where they are not known', null, false],
  ])('%s: %#', (_, those, expected) => {
    expect(isSame(these, those)).toBe(expected)
  })
})

test.each([
  // git hash-object of an empty file, and of "hello\n", in repositories of both kinds.
  ['', 40, 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'],
  ['hello\n', 40, 'ce013625030ba8dba906f756967f9e9ca394464a'],
  ['', 64, '473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813'],
])('%j is named as git names it, in %i digits', (text, digits, name) => {
  expect(blobSha(Buffer.from(text), digits)).toBe(name)
})
