import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { logLines } from '../../keys-pipeline/read-log.ts'
import { asIs, codes, folderWith, refusalOf } from '../support/keys.ts'

async function all(files: string[]): Promise<string[]> {
  const lines: string[] = []
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

test.each([
  ['a file that is not there', 'nothing.ndjson'],
  ['a folder', '.'],
  ['what is not packed though it says so', 'a.gz'],
])('%s is refused', async (_, name) => {
  const folder = folderWith({ 'a.gz': 'not packed' })
  expect(codes(await refusalOf(all([join(folder, name)])))).toEqual(['file_unreadable'])
})
