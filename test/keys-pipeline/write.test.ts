import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { makeFolder, replaceFile, replaceFolder, writeNew } from '../../keys-pipeline/write.ts'
import { asIs, asNobody, codes, folderWith, refusal } from '../support/keys.ts'

const options = (scratch: string) => ({ scratch, show: asIs })
const code = (work: () => void): string => {
  try {
    work()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'done'
}

describe('a new file', () => {
  test('has its content and mode, and leaves nothing beside it', () => {
    const folder = folderWith()
    writeNew(join(folder, 'a'), 'text', { ...options(folder), mode: 0o600 })
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('text')
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('never takes the place of another', () => {
    const folder = folderWith({ a: 'mine' })
    expect(code(() => writeNew(join(folder, 'a'), 'text', options(folder)))).toBe('file_exists')
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('mine')
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('that cannot be written is a finding', () => {
    expect(code(() => writeNew('/nowhere/a', 'text', options('/nowhere')))).toBe('write_failed')
  })
})

test('a file is replaced whole', () => {
  const folder = folderWith({ a: 'old and longer' })
  replaceFile(join(folder, 'a'), 'new', options(folder))
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('new')
})

describe('the built folder', () => {
  const files = new Map([
    ['publication.json', '{}'],
    ['deep/.hidden/a', 'x'],
  ])

  test('is made with all its parents, and replaced with nothing of the old one left', () => {
    const out = join(folderWith(), 'not', 'yet', 'out')
    replaceFolder(out, new Map([...files, ['old', '']]), asIs)
    replaceFolder(out, files, asIs)
    expect(readdirSync(out).sort()).toEqual(['deep', 'publication.json'])
    expect(readFileSync(join(out, 'deep/.hidden/a'), 'utf8')).toBe('x')
    expect(readdirSync(join(out, '..'))).toEqual(['out'])
  })

  test('takes the place of an empty folder, and never of somebody’s files', () => {
    const folder = folderWith()
    mkdirSync(join(folder, 'empty'))
    replaceFolder(join(folder, 'empty'), files, asIs)
    mkdirSync(join(folder, 'mine'))
    writeFileSync(join(folder, 'mine', 'thesis.doc'), 'x')
    expect(code(() => replaceFolder(join(folder, 'mine'), files, asIs))).toBe('out_not_ours')
    expect(readdirSync(join(folder, 'mine'))).toEqual(['thesis.doc'])
  })

  test('that is a file is a finding', () => {
    const folder = folderWith({ out: 'x' })
    expect(code(() => replaceFolder(join(folder, 'out'), files, asIs))).toBe('write_failed')
  })
})

test('a folder is made with its mode', () => {
  const folder = join(folderWith(), 'a', 'b')
  makeFolder(folder, 0o700, asIs)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

describe('where nothing may be written', () => {
  test.each<[string, (folder: string) => void]>([
    ['a new file', folder => writeNew(join(folder, 'b'), 'new', options(folder))],
    ['a file to replace', folder => replaceFile(join(folder, 'a'), 'new', options(folder))],
    ['a folder', folder => makeFolder(join(folder, 'b', 'c'), 0o700, asIs)],
    ['a site', folder => replaceFolder(join(folder, 'out'), new Map([['a', 'x']]), asIs)],
  ])('%s is a finding, and what was there stays', (_, write) => {
    const folder = folderWith({ a: 'old', 'out/publication.json': '{}' })
    const found = asNobody(folder, () => {
      if (process.geteuid?.() !== 65_534) chmodSync(folder, 0o555)
      return refusal(() => write(folder))
    })
    chmodSync(folder, 0o755)
    expect(codes(found)).toEqual(['write_failed'])
    expect(readdirSync(folder).sort()).toEqual(['a', 'out'])
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('old')
    expect(readdirSync(join(folder, 'out'))).toEqual(['publication.json'])
  })
})

test('a private mode holds whatever the umask is', () => {
  const folder = folderWith()
  const before = process.umask(0)
  try {
    writeNew(join(folder, 'a'), 'x', { ...options(folder), mode: 0o600 })
    makeFolder(join(folder, 'b'), 0o700, asIs)
  } finally {
    process.umask(before)
  }
  expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'b')).mode & 0o777).toBe(0o700)
})

test('a new file is not written through a link that is in its place', () => {
  const folder = folderWith({ target: 'mine' })
  symlinkSync('target', join(folder, 'a'))
  symlinkSync('nowhere', join(folder, 'b'))
  for (const name of ['a', 'b'])
    expect(code(() => writeNew(join(folder, name), 'x', options(folder)))).toBe('file_exists')
  expect(readdirSync(folder).sort()).toEqual(['a', 'b', 'target'])
  expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('mine')
})

test('a text of any length and alphabet is written whole', () => {
  const folder = folderWith()
  const text = 'ключ 🔑 \u0000'.repeat(100_000)
  writeNew(join(folder, 'a'), text, options(folder))
  replaceFile(join(folder, 'b'), text, options(folder))
  for (const name of ['a', 'b'])
    expect(readFileSync(join(folder, name), 'utf8') === text).toBe(true)
})
