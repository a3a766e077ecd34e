import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { type ConfigFiles, openConfigFiles } from '../../broker/config-files.ts'
import type { Placed } from '../../broker/config-source.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { folderWith, type Tree } from '../support/keys.ts'

const { upstreams, ...rest } = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
const upstream = stringify(upstreams['epic-sandbox'])
const MAIN = { ...rest, upstreamFolder: 'hospitals' }

const folder = (main: unknown, files: Tree): string =>
  folderWith({ 'broker.yaml': stringify(main), ...files })

const open = (main: unknown, files: Tree = {}): ConfigFiles | Placed[] =>
  openConfigFiles(join(folder(main, files), 'broker.yaml'))

function opened(main: unknown, files: Tree = {}): ConfigFiles {
  const found = open(main, files)
  if (Array.isArray(found)) throw new Error(JSON.stringify(found))
  return found
}

const places = (found: ConfigFiles | Placed[]): [string, string, number | null][] =>
  Array.isArray(found)
    ? found.map(({ file, at, line }) => [basename(file), at, line])
    : [['no complaint', '', null]]

test('the upstreams of the folder and of the file are one config', () => {
  const { file } = opened({ ...MAIN, upstreams }, { 'hospitals/mercy.yaml': upstream })
  expect(Object.keys(file.upstreams)).toEqual(['epic-sandbox', 'mercy'])
  expect(Object.keys(opened(MAIN, { 'hospitals/mercy.yaml': upstream }).file.upstreams)).toEqual([
    'mercy',
  ])
})

test('an id may be used once', () => {
  const found = open({ ...MAIN, upstreams }, { 'hospitals/epic-sandbox.yaml': upstream })
  expect(places(found)).toEqual([['epic-sandbox.yaml', '/', null]])
})

test('there must be upstreams, or a folder of them that can be read', () => {
  expect(places(open(rest))).toEqual([['broker.yaml', '/', null]])
  expect(places(open(MAIN))).toEqual([['broker.yaml', '/upstreamFolder', expect.any(Number)]])
})

test('what is wrong with the form of every file comes at once', () => {
  const found = open(
    { ...MAIN, lisen: {} },
    { 'hospitals/a.yaml': `${upstream}x: 1\n`, 'hospitals/b.yml': upstream },
  )
  expect(places(found)).toEqual([
    ['broker.yaml', '/lisen', expect.any(Number)],
    ['a.yaml', '/x', upstream.split('\n').length],
    ['b.yml', '/', null],
  ])
})

test('a complaint about an upstream is placed in its own file', () => {
  const { place } = opened(
    { ...MAIN, upstreams },
    { 'hospitals/mercy.yaml': `# Mercy\n${upstream}` },
  )
  const placed = (at: string) => {
    const { file, line, ...complaint } = place({ at, message: 'x' })
    return [basename(file), complaint.at, line]
  }
  expect(placed('/upstreams/mercy/fhirBase')).toEqual(['mercy.yaml', '/fhirBase', 2])
  expect(placed('/upstreams/mercy')).toEqual(['mercy.yaml', '/', null])
  expect(placed('/upstreams/epic-sandbox/ca')[0]).toBe('broker.yaml')
  expect(placed('/upstreams')[0]).toBe('broker.yaml')
})

test('a path is relative to the file it stands in', () => {
  const { pathAt } = opened({ ...MAIN, upstreams }, { 'hospitals/mercy.yaml': upstream })
  expect(pathAt('/upstreams/mercy/ca', 'ca.pem')).toMatch(/\/hospitals\/ca\.pem$/)
  expect(pathAt('/upstreams/epic-sandbox/ca', 'ca.pem')).not.toContain('hospitals')
  expect(pathAt('/audit/file', '/var/audit')).toBe('/var/audit')
})

test('a change of any file is another generation', () => {
  const at = folder(MAIN, { 'hospitals/a.yaml': upstream })
  const path = join(at, 'broker.yaml')
  const generation = () => (openConfigFiles(path) as ConfigFiles).generation
  const first = generation()
  expect(generation()).toBe(first)
  writeFileSync(join(at, 'hospitals', 'a.yaml'), `${upstream}# a remark\n`)
  const second = generation()
  writeFileSync(join(at, 'hospitals', 'b.yaml'), upstream)
  expect(new Set([first, second, generation()]).size).toBe(3)
})
