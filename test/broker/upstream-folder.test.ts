import { symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { MOST_UPSTREAM_BYTES, readUpstreamFolder } from '../../broker/upstream-folder.ts'
import { folderWith } from '../support/keys.ts'

const good = stringify(
  parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys')).upstreams['epic-sandbox'],
)

test('each file is an upstream, under the name of the file', () => {
  const folder = folderWith({ 'mercy.yaml': good, 'st-anne.2.yaml': good })
  const { upstreams, complaints } = readUpstreamFolder(folder)
  expect([...upstreams.keys()]).toEqual(['mercy', 'st-anne.2'])
  expect(upstreams.get('mercy')?.upstream).toEqual(parse(good))
  expect(upstreams.get('mercy')?.source.file).toBe(join(folder, 'mercy.yaml'))
  expect(complaints).toEqual([])
})

test('what tools and people put beside is passed over', () => {
  const beside = { '.import.json': '{', '.gitkeep': '', 'README.md': '# Hospitals', '..data/a': '' }
  const { upstreams, complaints } = readUpstreamFolder(folderWith({ 'a.yaml': good, ...beside }))
  expect([[...upstreams.keys()], complaints]).toEqual([['a'], []])
})

test('a mounted ConfigMap, whose files are links, is read', () => {
  const folder = folderWith({ '..2026/mercy.yaml': good })
  symlinkSync(join(folder, '..2026'), join(folder, '..data'))
  symlinkSync(join(folder, '..data', 'mercy.yaml'), join(folder, 'mercy.yaml'))
  expect([...readUpstreamFolder(folder).upstreams.keys()]).toEqual(['mercy'])
})

describe('is a complaint that names its file and line, while the others are read', () => {
  test.each<[string, string, string, string, number | null]>([
    ['another ending', 'b.yml', good, '/', null],
    ['a name with a space', 'b c.yaml', good, '/', null],
    ['a name that is too long', `${'b'.repeat(65)}.yaml`, good, '/', null],
    ['a name like an option', '-b.yaml', good, '/', null],
    ['a folder', 'b.yaml/c.yaml', good, '/', null],
    ['a list of upstreams', 'b.yaml', `- ${good.replaceAll('\n', '\n  ')}`, '/', null],
    ['an empty file', 'b.yaml', '', '/', null],
    ['a file that is too large', 'b.yaml', '#'.repeat(MOST_UPSTREAM_BYTES + 1), '/', null],
    ['a setting that does not exist', 'b.yaml', `# b\nsecret: x\n${good}`, '/secret', 2],
    ['a broken line', 'b.yaml', good.replace('profile: ', 'profile: ['), '/', null],
  ])('%s', (_, name, text, at, line) => {
    const { upstreams, complaints } = readUpstreamFolder(
      folderWith({ 'a.yaml': good, [name]: text }),
    )
    expect(complaints.map(each => [basename(each.file), each.at, each.line])).toEqual(
      complaints.map(() => [name.split('/')[0], at, line]),
    )
    expect(complaints.length).toBeGreaterThan(0)
    expect([...upstreams.keys()]).toEqual(['a'])
  })
})

test('a folder that is not there is refused', () => {
  expect(() => readUpstreamFolder('/no/such/folder')).toThrowError(
    expect.objectContaining({ code: 'file_unreadable' }),
  )
})
