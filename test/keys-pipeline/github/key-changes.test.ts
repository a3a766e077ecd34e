import { describe, expect, test } from 'vitest'
import {
  applyChanges,
  type CommittedKeys,
  KEYS_FOLDER,
  type KeyChange,
} from '../../../keys-pipeline/github/key-changes.ts'
import type { Lifecycle } from '../../../keys-pipeline/lifecycle.ts'
import { codes, ecJwk, published, refusal } from '../../support/keys.ts'

const TIME = '2026-11-25T00:00:00Z'
const NONPROD = `${KEYS_FOLDER}/nonprod`
const key = (which: number) => published({ ...ecJwk('P-256', which), kid: `kid-${which}` })
const bytesOf = (...which: number[]): Buffer =>
  Buffer.from(JSON.stringify({ keys: which.map(each => key(each).jwk) }))
const entry = (which: number, more: object = {}): Lifecycle => ({
  [key(which).thumbprint]: { kid: `kid-${which}`, created: TIME, role: 'signer', ...more },
})
const retired = (reason: string) => ({ retired: { at: TIME, reason } })

/** Keys 0 and 1 in a file each, 2 and 3 in one. */
const before = (record: Lifecycle = {}): CommittedKeys => ({
  production: [],
  nonprod: [
    { path: `${NONPROD}/0.json`, bytes: bytesOf(0) },
    { path: `${NONPROD}/1.json`, bytes: bytesOf(1) },
    { path: `${NONPROD}/both.jwks`, bytes: bytesOf(2, 3) },
    { path: `${NONPROD}/lifecycle.json`, bytes: Buffer.from(JSON.stringify({ keys: record })) },
  ],
})
const change = (more: Partial<KeyChange> = {}): KeyChange => ({
  ...{ environment: 'nonprod', files: [], lifecycle: {}, ...more },
})
const apply = (more: Partial<KeyChange>, record?: Lifecycle) => {
  const { files, after, come, go } = applyChanges(before(record), [change(more)])
  const written = [...files].map(
    ([path, bytes]) => `${bytes ? '+' : '-'}${path.slice(NONPROD.length + 1)}`,
  )
  const kids = (moved: typeof come) => moved.map(each => each.key.jwk.kid)
  const told = files.get(`${NONPROD}/lifecycle.json`)
  return {
    files: written.sort(),
    after: after.nonprod.map(({ path }) => path.slice(NONPROD.length + 1)).sort(),
    record: told ? JSON.parse(told.toString()).keys : null,
    ...{ come: kids(come), go: kids(go), reasons: go.map(each => each.reason) },
  }
}

test('a key that comes has its file and its entry', () => {
  const files = [{ name: 'deep/4.json', bytes: bytesOf(4) }]
  expect(apply({ files, lifecycle: entry(4) }, entry(0))).toMatchObject({
    files: ['+deep/4.json', '+lifecycle.json'],
    after: ['0.json', '1.json', 'both.jwks', 'deep/4.json', 'lifecycle.json'],
    record: { ...entry(0), ...entry(4) },
    ...{ come: ['kid-4'], go: [] },
  })
})

test('a key that is retired goes, and its file with it', () => {
  expect(apply({ lifecycle: entry(0, retired('old')) }, entry(0))).toMatchObject({
    files: ['+lifecycle.json', '-0.json'],
    after: ['1.json', 'both.jwks', 'lifecycle.json'],
    ...{ come: [], go: ['kid-0'], reasons: ['old'] },
  })
})

test('a file goes only when all its keys are retired', () => {
  expect(apply({ lifecycle: entry(2, retired('x')) }).files).toEqual(['+lifecycle.json'])
  const both = { ...entry(2, retired('x')), ...entry(3, retired('y')) }
  expect(apply({ lifecycle: both })).toMatchObject({
    files: ['+lifecycle.json', '-both.jwks'],
    reasons: ['x', 'y'],
  })
})

test('whoever knows an older commit takes nothing back', () => {
  const record = { ...entry(0, retired('at main')), ...entry(1, { proof: 'a.b.c' }) }
  expect(apply({ lifecycle: { ...entry(0), ...entry(1) } }, record).record).toBeNull()
  expect(apply({ lifecycle: entry(0, retired('otherwise')) }, record).record).toBeNull()
  expect(apply({ lifecycle: entry(1, retired('x')) }, record).record).toEqual({
    ...record,
    ...entry(1, { proof: 'a.b.c', ...retired('x') }),
  })
})

test('what is there already is no change', () => {
  const files = [{ name: '0.json', bytes: bytesOf(0) }]
  expect(apply({ files, lifecycle: entry(0) }, entry(0)).files).toEqual([])
})

test('the other environment stays as it is', () => {
  const at = (environment: 'production' | 'nonprod') =>
    applyChanges(before(), [
      { ...change({ files: [{ name: '4.json', bytes: bytesOf(4) }] }), environment },
    ]).after
  expect(at('nonprod').production).toEqual([])
  expect(at('production').nonprod).toEqual(before().nonprod)
})

describe('is refused', () => {
  test.each([
    ['..', 'file_unknown'],
    ['../a.json', 'file_unknown'],
    ['a/../../b.json', 'file_unknown'],
    ['./a.json', 'file_unknown'],
    ['/a.json', 'file_unknown'],
    ['a//b.json', 'file_unknown'],
    ['a b.json', 'file_unknown'],
    ['ä.json', 'file_unknown'],
    ['a\u0000.json', 'file_unknown'],
    ['a\\b.json', 'file_unknown'],
    ['.git/a.json', 'file_unknown'],
    ['lifecycle.json', 'file_unknown'],
    ['README.md', 'file_unknown'],
    ['a.sh', 'file_unknown'],
    ['', 'file_unknown'],
    ['0.json', 'file_exists'],
  ])('the name %j', (name, code) => {
    const files = [{ name, bytes: bytesOf(4) }]
    expect(codes(refusal(() => apply({ files })))).toEqual([code])
  })

  test('a record at the default branch that cannot be read', () => {
    const broken = [{ path: `${NONPROD}/lifecycle.json`, bytes: Buffer.from('{') }]
    const work = () => applyChanges({ production: [], nonprod: broken }, [change()])
    expect(codes(refusal(work))).toEqual(['lifecycle_unreadable'])
  })
})
