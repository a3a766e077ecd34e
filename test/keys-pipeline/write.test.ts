import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeFolder, replaceFile, replaceFolder, writeNew } from '../../keys-pipeline/write.ts'
import { asIs, folderWith } from '../support/key-files.ts'

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
