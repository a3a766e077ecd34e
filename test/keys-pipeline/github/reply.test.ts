import Type from 'typebox'
import { expect, test } from 'vitest'
import { openGitHub } from '../../../keys-pipeline/github/client.ts'
import { replyReader } from '../../../keys-pipeline/github/reply.ts'
import { codes, refusal } from '../../support/keys.ts'

const read = replyReader('answer', Type.Object({ id: Type.Integer() }))
const github = openGitHub({ repository: 'acme/keys' })

test('a reply as it was described is read, whatever else it has', () => {
  expect(read(github, { id: 7, more: 'x' })).toMatchObject({ id: 7 })
})

test.each([[null], ['text'], [[]], [{}], [{ id: '7' }], [{ id: null }]])(
  '%j is not believed',
  data => {
    expect(codes(refusal(() => read(github, data)))).toEqual(['github_failed'])
  },
)
