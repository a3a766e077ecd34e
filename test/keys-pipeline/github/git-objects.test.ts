import { describe, expect, test } from 'vitest'
import { gitObjects } from '../../../keys-pipeline/github/git-objects.ts'
import { type Files, githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const open = (files: Files) => {
  const sha = server().git.commit(files)
  return { sha, objects: gitObjects(server().open()) }
}

test('files below a folder are read whole, with their paths, and only once', async () => {
  const bytes = Buffer.from('x'.repeat(500))
  const { sha, objects } = open({ 'keys/a.json': bytes, 'keys/deep/b.json': 'b', 'other.txt': 'c' })
  const files = await objects.filesBelow(sha, 'keys')
  expect(files.map(each => each.path).sort()).toEqual(['keys/a.json', 'keys/deep/b.json'])
  const read = files.find(each => each.path === 'keys/a.json')?.read
  expect(await read?.()).toEqual(bytes)
  const before = server().requests.length
  await read?.()
  await objects.filesBelow(sha, 'keys')
  expect(server().requests.length).toBe(before)
})

test('what is not there is none', async () => {
  const { sha, objects } = open({ 'keys/a.json': 'a' })
  expect(await objects.file(sha, 'nothing.yaml')).toBeNull()
  expect(await objects.file(sha, 'keys/a.json/more')).toBeNull()
  expect(await objects.filesBelow(sha, 'nothing')).toEqual([])
})

describe('is refused', () => {
  const many = Object.fromEntries(Array.from({ length: 301 }, (_, at) => [`keys/${at}.json`, 'x']))
  test.each<[string, Files]>([
    ['a link', { 'keys/a.json': { mode: '120000', content: '/etc/passwd' } }],
    ['a file over 1 MiB', { 'keys/a.json': Buffer.alloc(1024 * 1024 + 1) }],
    ['more files than a key set can have', many],
    ['a file where a folder should be', { keys: 'x' }],
  ])('%s', async (_, files) => {
    const { sha, objects } = open(files)
    expect(codes(await refusalOf(objects.filesBelow(sha, 'keys')))).toEqual(['github_failed'])
  })
})
