import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { BrokerError } from '../../broker/errors.ts'
import {
  appendLine,
  isPrivate,
  makeFolder,
  namesIn,
  placePrivate,
  readText,
  readTextIfAny,
  removeFile,
  replaceFile,
  replacePrivate,
  writeNew,
} from '../../broker/files.ts'
import { folderWith } from '../support/keys.ts'

let folder: string
const at = (name: string): string => join(folder, name)
beforeEach(() => {
  folder = folderWith({ 'a.yaml': 'a', 'big.yaml': 'x'.repeat(11) })
  mkdirSync(at('folder'))
  symlinkSync(at('a.yaml'), at('link.yaml'))
  symlinkSync(at('nowhere'), at('dangling.yaml'))
})

const failure = (work: () => unknown): unknown => {
  try {
    work()
    return null
  } catch (error) {
    const { code, facts } = error as BrokerError
    return [code, facts['reason']]
  }
}

describe('a file is read', () => {
  test('through a link too, up to a size', () => {
    expect(readText(at('a.yaml'), 10)).toBe('a')
    expect(readText(at('link.yaml'), 10)).toBe('a')
  })

  test.each([
    ['nowhere.yaml', 'ENOENT'],
    ['dangling.yaml', 'ENOENT'],
    ['folder', 'not a plain file'],
    ['big.yaml', '11 bytes; at most 10'],
  ])('but not %s', (name, reason) => {
    expect(failure(() => readText(at(name), 10))).toEqual(['file_unreadable', reason])
  })

  test('or may be missing', () => {
    expect(readTextIfAny(at('nowhere.yaml'), 10)).toBeNull()
    expect(readTextIfAny(at('a.yaml'), 10)).toBe('a')
  })
})

test('a folder is listed in a fixed order, and may be missing', () => {
  expect(namesIn(folder)).toEqual(['a.yaml', 'big.yaml', 'dangling.yaml', 'folder', 'link.yaml'])
  expect(namesIn(at('nowhere'))).toBeNull()
  expect(failure(() => namesIn(at('a.yaml')))).toEqual(['file_unreadable', 'ENOTDIR'])
})

test('a new file has its mode, and one that is there is kept', () => {
  writeNew(at('new.yaml'), 'new', 0o600)
  expect(statSync(at('new.yaml')).mode & 0o777).toBe(0o600)
  expect(failure(() => writeNew(at('a.yaml'), 'b', 0o600))).toEqual([
    'file_not_written',
    'there is one already, and it was kept',
  ])
  expect(readFileSync(at('a.yaml'), 'utf8')).toBe('a')
})

test('a file is replaced whole, and no scratch is left', () => {
  replaceFile(at('a.yaml'), 'another')
  replaceFile(at('new.yaml'), 'new')
  expect([readText(at('a.yaml'), 10), readText(at('new.yaml'), 10)]).toEqual(['another', 'new'])
  expect(readdirSync(folder).filter(name => name.startsWith('.'))).toEqual([])
  expect(failure(() => replaceFile(at('nowhere/a'), 'x'))).toEqual(['file_not_written', 'ENOENT'])
})

test('whoever has the old file open reads it to its end', () => {
  linkSync(at('a.yaml'), at('old'))
  replaceFile(at('a.yaml'), 'another')
  expect([readText(at('old'), 10), readText(at('a.yaml'), 10)]).toEqual(['a', 'another'])
})

test('a draft that cannot be put in its place leaves the old file and no scratch', () => {
  expect(failure(() => replaceFile(at('folder'), 'x'))).toEqual(['file_not_written', 'EISDIR'])
  expect(statSync(at('folder')).isDirectory()).toBe(true)
  expect(readdirSync(folder).filter(name => name.startsWith('.'))).toEqual([])
})

test('a line is added to what is there', () => {
  writeFileSync(at('log'), '1\n')
  appendLine(at('log'), '2')
  expect(readText(at('log'), 10)).toBe('1\n2\n')
})

test('a file is removed, or was never there; a folder is made with its parents', () => {
  removeFile(at('a.yaml'))
  removeFile(at('a.yaml'))
  makeFolder(at('x/y'))
  makeFolder(at('x/y'))
  expect(namesIn(folder)).not.toContain('a.yaml')
  expect(statSync(at('x/y')).isDirectory()).toBe(true)
})

describe('a file that holds a secret', () => {
  const [OURS, ROOTS] = [1000, 0]
  test.each([
    ['read by us alone', 0o400, OURS, true],
    ['read and written by us alone', 0o600, OURS, true],
    ['of root, read by its group, as Kubernetes gives it', 0o440, ROOTS, true],
    ['of root, read by its group, written by root', 0o640, ROOTS, true],
    ['read by our group', 0o640, OURS, false],
    ['of root, written by its group', 0o660, ROOTS, false],
    ['of root, run by its group', 0o650, ROOTS, false],
    ['of root, read by all', 0o444, ROOTS, false],
    ['read by all', 0o604, OURS, false],
  ])('%s', (_, mode, uid, expected) => {
    expect(isPrivate({ mode: 0o100_000 | mode, uid })).toBe(expected)
  })
})

test('what is private is its owner’s alone, and a draft that a kill has left is taken away', () => {
  const folder = folderWith({ draft: 'half' })
  chmodSync(join(folder, 'draft'), 0o644)
  replacePrivate(join(folder, 'file'), 'whole', join(folder, 'draft'))
  expect(readdirSync(folder)).toEqual(['file'])
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('whole')
  expect(statSync(join(folder, 'file')).mode & 0o777).toBe(0o600)
})

test('of two that place a private file the first one’s stays, and neither leaves a draft', () => {
  const [file, draft] = [join(folder, 'file'), join(folder, 'draft')]
  placePrivate(file, 'first', draft)
  placePrivate(file, 'second', `${draft}-2`)
  expect(readdirSync(folder).filter(name => /file|draft/.test(name))).toEqual(['file'])
  expect(readFileSync(file, 'utf8')).toBe('first')
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
