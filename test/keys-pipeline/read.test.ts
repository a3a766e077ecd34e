import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  MOST_BYTES,
  readEnvironmentFolder,
  readList,
  readPaths,
  readTemplates,
} from '../../keys-pipeline/read.ts'
import { asIs, folderWith } from '../support/key-files.ts'
import { PROJECT } from '../support/processes.ts'

const read = (folder: string, ...paths: string[]) => {
  const { files, findings } = readPaths(paths.length > 0 ? paths : [folder], path =>
    relative(folder, path),
  )
  return {
    files: files.map(each => each.file),
    codes: findings.map(each => `${each.code} ${each.file}`),
  }
}

test('folders are read recursively and in a fixed order; what lies beside keys is passed over', () => {
  const folder = folderWith({
    'b.pem': '',
    'a.jwk.json': '',
    'deep/er/c.crt': '',
    '.gitkeep': '',
    'lifecycle.json': '',
    'README.md': '',
    '.git/x.pem': '',
    'node_modules/y.pem': '',
  })
  expect(read(folder)).toEqual({ files: ['a.jwk.json', 'b.pem', 'deep/er/c.crt'], codes: [] })
})

describe('is refused', () => {
  test.each<[string, (folder: string) => void, string]>([
    [
      'a file of another kind',
      folder => writeFileSync(join(folder, 'notes.txt'), ''),
      'file_unknown notes.txt',
    ],
    [
      'a hidden file',
      folder => writeFileSync(join(folder, '.key.pem.swp'), ''),
      'file_unknown .key.pem.swp',
    ],
    [
      'a file that is too large',
      folder => writeFileSync(join(folder, 'a.pem'), Buffer.alloc(MOST_BYTES + 1)),
      'file_oversize a.pem',
    ],
    [
      'a link out of the folder',
      folder => symlinkSync('/etc/hostname', join(folder, 'a.pem')),
      'link_outside a.pem',
    ],
    [
      'a link to a folder outside',
      folder => symlinkSync('/etc', join(folder, 'etc')),
      'link_outside etc',
    ],
    [
      'a link to nowhere',
      folder => symlinkSync('nowhere', join(folder, 'a.pem')),
      'link_outside a.pem',
    ],
    [
      'a link to itself',
      folder => symlinkSync('a.pem', join(folder, 'a.pem')),
      'link_outside a.pem',
    ],
    [
      'a link to the folder itself',
      folder => symlinkSync('.', join(folder, 'loop')),
      'link_outside loop',
    ],
    [
      'a pipe',
      folder => void execFileSync('mkfifo', [join(folder, 'a.pem')]),
      'file_not_regular a.pem',
    ],
  ])('%s', (_, make, code) => {
    const folder = folderWith()
    make(folder)
    expect(read(folder)).toEqual({ files: [], codes: [code] })
  })

  test('a path that is not there', () => {
    const folder = folderWith()
    expect(read(folder, join(folder, 'nothing.pem')).codes).toEqual(['file_unreadable nothing.pem'])
  })
})

test('a link that stays inside is read once for a file and never followed into a folder', () => {
  const folder = folderWith({ 'inner/a.pem': '' })
  symlinkSync('inner/a.pem', join(folder, 'b.pem'))
  symlinkSync('inner', join(folder, 'again'))
  expect(read(folder)).toEqual({ files: ['b.pem', 'inner/a.pem'], codes: [] })
})

test('an environment’s folder that is missing holds nothing', () => {
  expect(readEnvironmentFolder('/nowhere/at/all', asIs)).toEqual({ files: [], findings: [] })
})

test('a list of paths is read by lines or by NUL, so that a name may hold a newline', () => {
  const folder = folderWith({ lines: 'a\nb\r\n\nc', nul: 'a\nb\0c\0' })
  expect(readList(join(folder, 'lines'))).toEqual(['a', 'b', 'c'])
  expect(readList(join(folder, 'nul'))).toEqual(['a\nb', 'c'])
})

test('the project’s templates are there', () => {
  const { index, notFound, style } = readTemplates(join(PROJECT, 'site'))
  for (const text of [index, notFound]) expect(text).toContain('{{policy}}')
  expect(style).toContain('prefers-color-scheme')
})

test('a file that is named is read whatever its ending', () => {
  const folder = folderWith({ 'key.txt': 'x' })
  mkdirSync(join(folder, 'empty'))
  expect(read(folder, join(folder, 'key.txt'), join(folder, 'empty')).files).toEqual(['key.txt'])
})
