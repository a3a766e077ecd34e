import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { finding, PipelineError } from './errors.ts'
import type { Show } from './pipeline.ts'

/** Characters; a longer line is none of ours. */
const LONGEST_LINE = 64 * 1024

/**
 * The lines of the files, one after the other; of standard input where there is none; `.gz` unpacked. In place of a line
 * that is too long comes null, and never more than a line is in memory. Refused: `file_unreadable`.
 */
export async function* logLines(
  files: readonly string[],
  show: Show,
): AsyncGenerator<string | null> {
  if (files.length === 0) yield* linesOf(createReadStream('', { fd: 0 }), 'standard input')
  for (const file of files) {
    const raw = createReadStream(file)
    if (!file.endsWith('.gz')) yield* linesOf(raw, show(file))
    else {
      const unpacked = raw.pipe(createGunzip())
      raw.on('error', error => unpacked.destroy(error))
      yield* linesOf(unpacked, show(file))
    }
  }
}

async function* linesOf(input: Readable, name: string): AsyncGenerator<string | null> {
  try {
    let rest: string | null = ''
    for await (const chunk of input.setEncoding('utf8')) {
      const [first = '', ...more] = `${chunk}`.split('\n')
      const parts: (string | null)[] = [rest === null ? null : rest + first, ...more].map(bounded)
      rest = parts.pop() ?? null
      for (const line of parts) yield line === null ? null : line.replace(/\r$/, '')
    }
    if (rest !== '') yield rest
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new PipelineError(finding('file_unreadable', name, `cannot be read (${code})`))
  }
}

const bounded = (line: string | null): string | null =>
  line === null || line.length > LONGEST_LINE ? null : line
