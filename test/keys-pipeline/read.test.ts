import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  MOST_BYTES,
  readEnvironmentFolder,
  readList,
  readPaths,
  readTemplates,
} from '../../keys-pipeline/read.ts'
import { asIs, asNobody, codes, folderWith } from '../support/keys.ts'
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
  expect(read(folder)).toEqual({ files: ['b.pem'], codes: [] })
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
  const { index, notFound, style, script } = readTemplates(join(PROJECT, 'site'))
  for (const text of [index, notFound]) expect(text).toContain('{{policy}}')
  expect(style).toContain('prefers-color-scheme')
  expect(script).toContain('clipboard')
})

test('a file that is named is read whatever its ending', () => {
  const folder = folderWith({ 'key.txt': 'x' })
  mkdirSync(join(folder, 'empty'))
  expect(read(folder, join(folder, 'key.txt'), join(folder, 'empty')).files).toEqual(['key.txt'])
})

describe('what cannot be read is a finding, and the rest is read all the same', () => {
  test.each<[string, (folder: string) => string]>([
    [
      'a path that goes round',
      folder => {
        symlinkSync('loop', join(folder, 'loop'))
        return join(folder, 'loop')
      },
    ],
    ['a path that is too long', folder => join(folder, 'x'.repeat(5000))],
    ['a path below a file', folder => join(folder, 'good.pem', 'a.pem')],
    [
      'a link to nowhere',
      folder => {
        symlinkSync('nowhere', join(folder, 'link.pem'))
        return join(folder, 'link.pem')
      },
    ],
    ['a file that breaks while it is read', () => '/proc/self/mem'],
  ])('%s', (_, make) => {
    const folder = folderWith({ 'good.pem': '' })
    const { files, findings } = readPaths([make(folder), join(folder, 'good.pem')], asIs)
    expect(codes(findings)).toEqual(['file_unreadable'])
    expect(files).toHaveLength(1)
  })

  test.each([
    ['a file', 'secret.pem', 0o000],
    ['a folder', 'folder', 0o000],
    ['a folder that may be listed but not entered', 'folder', 0o444],
  ])('%s without rights to it', (_, name, mode) => {
    const folder = folderWith({ 'a.pem': '', 'secret.pem': '', 'folder/b.pem': '', 'z.pem': '' })
    chmodSync(join(folder, name), mode)
    try {
      const { files, findings } = asNobody(folder, () => readPaths([folder], asIs))
      expect(codes(findings)).toEqual(['file_unreadable'])
      expect(files.map(each => relative(folder, each.file))).toEqual(
        expect.arrayContaining(['a.pem', 'z.pem']),
      )
    } finally {
      chmodSync(join(folder, name), 0o700)
    }
  })
})

describe('links out of the folder', () => {
  test.each<[string, string, string]>([
    ['by its parent', '../outside.pem', 'a.pem'],
    ['by an absolute path', '/etc/hostname', 'a.pem'],
    ['to a device', '/dev/zero', 'a.pem'],
    ['by way of a folder', '../outside', 'sub'],
    ['under a name that is passed over', '/dev/zero', 'lifecycle.json'],
  ])('%s are refused and not followed', (_, target, name) => {
    const outside = folderWith({ 'outside.pem': 'x', 'outside/a.pem': 'x', 'in/.gitkeep': '' })
    symlinkSync(target, join(outside, 'in', name))
    const { files, findings } = readPaths([join(outside, 'in')], asIs)
    expect(codes(findings)).toEqual(['link_outside'])
    expect(files).toEqual([])
  })

  test('whose name only begins like the folder are refused', () => {
    const folder = folderWith({ 'in/.gitkeep': '', 'in-other/a.pem': 'x' })
    symlinkSync('../in-other/a.pem', join(folder, 'in', 'a.pem'))
    expect(codes(readPaths([join(folder, 'in')], asIs).findings)).toEqual(['link_outside'])
  })

  test('are no way to take a whole environment from elsewhere', () => {
    const folder = folderWith({ 'elsewhere/a.pem': 'x', 'keys/.gitkeep': '' })
    symlinkSync('../elsewhere', join(folder, 'keys', 'production'))
    const { files, findings } = readEnvironmentFolder(join(folder, 'keys', 'production'), asIs)
    expect(files).toEqual([])
    expect(codes(findings)).toEqual(['link_outside'])
  })
})

test('a file may be as large as the limit, and its name in capitals', () => {
  const folder = folderWith({ 'A.PEM': Buffer.alloc(MOST_BYTES), 'b.Jwk.JSON': '' })
  expect(read(folder)).toEqual({ files: ['A.PEM', 'b.Jwk.JSON'], codes: [] })
})

test('a file that is named twice, or with its folder, is read once', () => {
  const folder = folderWith({ 'in/a.pem': '' })
  const twice = [join(folder, 'in/a.pem'), join(folder, 'in/a.pem'), join(folder, 'in')]
  expect(readPaths(twice, asIs).files).toHaveLength(1)
})
