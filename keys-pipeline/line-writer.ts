import { pino } from 'pino'

export interface LineWriter {
  /** Never throws and never waits. */
  write: (line: string) => void
  /** Of a file: opens it anew under its name, for whoever moved it away. */
  reopen: () => void
  /** Writes what is waiting, as far as it can be written. */
  end: () => void
}

/** Bytes that wait for a slow reader before lines are lost. */
const MOST_WAITING = 4 * 1024 * 1024

/**
 * Lines to a file descriptor, or to a file (appended, 0600), such that what becomes of them is never the server's
 * trouble: where nobody reads (EPIPE) or the disk is full they are lost and counted. A reader that is only slow has some
 * megabytes of time.
 */
export function lineWriter(
  to: number | string,
  told: {
    /** Once per trouble. */
    onTrouble: (code: string) => void
    /** It goes on; so many lines are missing. May write. */
    onLost: (count: number) => void
  },
  mostWaiting = MOST_WAITING,
): LineWriter {
  const stream = pino.destination({ dest: to, sync: false, maxLength: mostWaiting, mode: 0o600 })
  let trouble: string | null = null
  let lost = 0
  let ended = false
  const hear = (reason: string): void => {
    if (trouble === null) told.onTrouble(reason)
    trouble ??= reason
    // What cannot be written now never will be; the library would try for ever at the exit of the process.
    if (ended) stream.destroy()
  }
  stream.on('error', (error: NodeJS.ErrnoException) => hear(error.code ?? error.name))
  stream.on('drop', () => {
    lost++
    hear('nobody reads')
  })
  stream.on('drain', () => {
    const count = lost
    trouble = null
    lost = 0
    if (count > 0 && !ended) told.onLost(count)
  })
  return {
    write: line => {
      if (!ended) stream.write(line)
    },
    reopen: () => {
      if (typeof to === 'string' && !ended) stream.reopen()
    },
    end: () => {
      ended = true
      if (trouble === null) stream.end()
      else stream.destroy()
    },
  }
}
