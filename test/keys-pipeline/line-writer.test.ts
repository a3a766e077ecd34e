import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
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

test('lines that a slow reader has no room for are lost whole and counted, and it goes on', async () => {
  const fifo = join(folderWith(), 'fifo')
  execFileSync('mkfifo', [fifo])
  const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  onTestFinished(() => closeSync(reader))
  const { writer, troubles, lost } = writing(openSync(fifo, 'w'), 256 * 1024)
  const line = (at: number): string => `${`${at}`.padStart(1023, ' ')}\n`
  for (let at = 0; at < 1000; at++) writer.write(line(at))
  expect(troubles).toEqual(['nobody reads'])
  let text = ''
  const read = (): string => {
    text += available(reader)
    return text
  }
  await expect.poll(() => [read().length > 0, lost() > 0], { interval: 1 }).toEqual([true, true])
  const kept = 1000 - lost()
  expect(text).toBe(Array.from({ length: kept }, (_, at) => line(at)).join(''))
  writer.write('again\n')
  await expect.poll(() => read().slice(kept * 1024)).toBe('again\n')
  writer.end()
})

/** What lies in a pipe now. */
function available(fd: number): string {
  const buffer = Buffer.alloc(1024 * 1024)
  try {
    return buffer.toString('latin1', 0, readSync(fd, buffer))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return ''
    throw error
  }
}

test('a file cannot be begun anew after the end', () => {
  const { writer } = writing(join(folderWith(), 'access.ndjson'))
  writer.end()
  expect(() => writer.reopen()).not.toThrow()
})

test('where nothing can be written, that is told once and nothing throws', async () => {
  const fd = openSync('/dev/full', 'w')
  const { writer, troubles } = writing(fd)
  for (let line = 0; line < 10; line++) writer.write('x\n')
  await expect.poll(() => troubles).toEqual(['ENOSPC'])
  writer.end()
  writer.write('after the end\n')
  closeSync(fd)
})
