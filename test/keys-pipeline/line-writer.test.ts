import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type LineWriter, lineWriter } from '../../keys-pipeline/line-writer.ts'
import { folderWith } from '../support/keys.ts'

function writing(to: number | string, most?: number) {
  const troubles: string[] = []
  let lost = 0
  const writer: LineWriter = lineWriter(
    to,
    {
      onTrouble: code => troubles.push(code),
      onLost: count => {
        lost += count
      },
    },
    most,
  )
  return { writer, troubles, lost: () => lost }
}

test('lines go to the file in order, whole, and only the owner may read it', async () => {
  const file = join(folderWith(), 'access.ndjson')
  const { writer } = writing(file)
  for (let line = 0; line < 5000; line++) writer.write(`${line}\n`)
  writer.end()
  await expect.poll(() => readFileSync(file, 'utf8').split('\n').length).toBe(5001)
  expect(readFileSync(file, 'utf8')).toBe(
    Array.from({ length: 5000 }, (_, at) => `${at}\n`).join(''),
  )
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a file that was moved away is begun anew when asked', async () => {
  const file = join(folderWith(), 'access.ndjson')
  const { writer } = writing(file)
  writer.write('one\n')
  await expect.poll(() => readFileSync(file, 'utf8')).toBe('one\n')
  renameSync(file, `${file}.1`)
  writer.reopen()
  await expect.poll(() => readOr(file)).toBe('')
  writer.write('two\n')
  await expect.poll(() => readOr(file)).toBe('two\n')
  expect(readFileSync(`${file}.1`, 'utf8')).toBe('one\n')
  writer.end()
})

const readOr = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

test('where nothing can be written, that is told once and nothing throws', async () => {
  const fd = openSync('/dev/full', 'w')
  const { writer, troubles } = writing(fd)
  for (let line = 0; line < 10; line++) writer.write('x\n')
  await expect.poll(() => troubles).toEqual(['ENOSPC'])
  writer.end()
  writer.write('after the end\n')
  closeSync(fd)
})
