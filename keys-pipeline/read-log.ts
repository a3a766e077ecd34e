import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { finding, PipelineError } from './errors.ts'
import type { Show } from './pipeline.ts'

/** Characters; a longer line is none of ours, and is not kept whole. */
const LONGEST_LINE = 64 * 1024

/**
 * The lines of the files, one after the other; of standard input where there is none; `.gz` unpacked. Never more than a
 * line in memory. Refused: `file_unreadable`.
 */
export async function* logLines(files: readonly string[], show: Show): AsyncGenerator<string> {
  const from: (string | null)[] = files.length === 0 ? [null] : [...files]
  for (const file of from) {
    try {
      const raw = file === null ? createReadStream('', { fd: 0 }) : createReadStream(file)
      const input = file?.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
      raw.on('error', error => input.destroy(error))
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
        yield line.slice(0, LONGEST_LINE)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const name = file === null ? 'standard input' : show(file)
      throw new PipelineError(finding('file_unreadable', name, `cannot be read (${code})`))
    }
  }
}
