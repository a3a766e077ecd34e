import { beforeEach, expect, test } from 'vitest'
import {
  makeCommit,
  moveBranch,
  moveOf,
  type Work,
} from '../../../keys-pipeline/github/proposal-branch.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const BRANCH = 'lockstep/keys-1'
const MAIN = { 'a.txt': 'A', 'b.txt': 'B' }
let work: Work

beforeEach(() => {
  const baseSha = server().git.commit(MAIN)
  const files = new Map([
    ['new.txt', Buffer.from('N')],
    ['b.txt', null],
  ])
  work = { branch: BRANCH, baseSha, message: 'a change', files }
})

async function carryOut(): Promise<string | null> {
  const github = server().open()
  const move = await moveOf(github, work)
  if (move === null) return null
  const to = await makeCommit(github, work, move.parents)
  await moveBranch(github, BRANCH, { from: move.head, to })
  return to
}

test('the work is one commit on top of the base, and then there is nothing left to do', async () => {
  const sha = await carryOut()
  expect(server().git.files(BRANCH)).toEqual({ 'a.txt': 'A', 'new.txt': 'N' })
  expect(server().git.commits.get(sha ?? '')?.parents).toEqual([work.baseSha])
  expect(await carryOut()).toBeNull()
})

test('a branch that was left behind goes on from the base', async () => {
  server().git.refs.set(`heads/${BRANCH}`, work.baseSha)
  work = { ...work, baseSha: server().git.commit({ ...MAIN, 'c.txt': 'C' }) }
  const sha = await carryOut()
  expect(server().git.commits.get(sha ?? '')?.parents).toEqual([work.baseSha])
})

test('other work on the same branch follows what is there, and takes in the base', async () => {
  const first = await carryOut()
  const baseSha = server().git.commit({ ...MAIN, 'c.txt': 'C' })
  work = { ...work, baseSha, files: new Map([['new.txt', Buffer.from('N2')]]) }
  const second = await carryOut()
  expect(server().git.commits.get(second ?? '')?.parents).toEqual([first, work.baseSha])
  expect(server().git.files(BRANCH)).toEqual({ ...MAIN, 'c.txt': 'C', 'new.txt': 'N2' })
})

test.each([
  ['beside ours', 'a commit'],
  ['that names another branch', 'x\n\nLockstep-Proposal: lockstep/keys-2'],
  ['that names it elsewhere', `Lockstep-Proposal: ${BRANCH}\n\nx`],
])('a commit %s is somebody else’s', async (_, message) => {
  await carryOut()
  server().git.commit({ ...MAIN, 'c.txt': 'C' }, { branch: BRANCH, message })
  expect(codes(await refusalOf(moveOf(server().open(), work)))).toEqual(['branch_taken'])
})

test('a branch that has moved meanwhile is not moved by force', async () => {
  const github = server().open()
  const first = await carryOut()
  const ours = await makeCommit(github, work, [work.baseSha])
  const theirs = server().git.commit({ ...MAIN, 'c.txt': 'C' }, { branch: BRANCH })
  const moved = moveBranch(github, BRANCH, { from: first, to: ours })
  expect(codes(await refusalOf(moved))).toEqual(['github_rejected'])
  expect(server().git.refs.get(`heads/${BRANCH}`)).toBe(theirs)
})
