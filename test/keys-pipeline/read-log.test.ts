import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { logLines } from '../../keys-pipeline/read-log.ts'
import { asIs, codes, folderWith, refusalOf } from '../support/keys.ts'

async function all(files: string[]): Promise<(string | null)[]> {
  const lines: (string | null)[] = []
  for await (const line of logLines(files, asIs)) lines.push(line)
  return lines
}

test('the lines of several files are read in order, packed or not', async () => {
  const folder = folderWith({ 'a.ndjson': 'one\r\ntwo\n' })
  writeFileSync(join(folder, 'b.ndjson.gz'), gzipSync('three\nfour'))
  expect(await all([join(folder, 'a.ndjson'), join(folder, 'b.ndjson.gz')])).toEqual([
    'one',
    'two',
    'three',
    'four',
  ])
})

test('of a line that is too long for the log nothing is kept, and the next is read', async () => {
  const long = 'x'.repeat(1024 * 1024)
  const folder = folderWith({ 'a.ndjson': `one\n${long}\ntwo\n${long}` })
  expect(await all([join(folder, 'a.ndjson')])).toEqual(['one', null, 'two', null])
})

test('a character that two reads share is whole', async () => {
  const line = `x${'\u00e9'.repeat(60_000)}`
  const folder = folderWith({ 'a.ndjson': `${line}\n${line}` })
  expect(await all([join(folder, 'a.ndjson')])).toEqual([line, line])
})

test('a packed file that ends in the middle is refused after what could be read', async () => {
  const packed = gzipSync(Array.from({ length: 50_000 }, (_, at) => `${at}\n`).join(''))
  const folder = folderWith({ 'a.gz': packed.subarray(0, packed.length / 2) })
  const lines: (string | null)[] = []
  const reading = async () => {
    for await (const line of logLines([join(folder, 'a.gz')], asIs)) lines.push(line)
  }
  expect(codes(await refusalOf(reading()))).toEqual(['file_unreadable'])
  expect(lines.slice(0, 2)).toEqual(['0', '1'])
})

test.each([
  ['a file that is not there', 'nothing.ndjson'],
  ['a packed file that is not there', 'nothing.gz'],
  ['a folder', '.'],
  ['what is not packed though it says so', 'a.gz'],
])('%s is refused', async (_, name) => {
  const folder = folderWith({ 'a.gz': 'not packed' })
  expect(codes(await refusalOf(all([join(folder, name)])))).toEqual(['file_unreadable'])
})
