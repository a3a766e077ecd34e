import type { Command } from 'commander'

/** What both command lines do alike. */

/** A module of commands, loaded when one of them is asked for. */
export interface CommandRow<Terminal> {
  /** What it registers. */
  names: readonly string[]
  load: () => Promise<(program: Command, terminal: Terminal) => void>
}

/**
 * The command that the first argument names, or all of them: who asks for one does not wait for the libraries of the
 * others.
 */
export async function registerCommands<Terminal>(
  rows: readonly CommandRow<Terminal>[],
  program: Command,
  terminal: Terminal,
  [first = '']: readonly string[],
): Promise<void> {
  const named = rows.filter(({ names }) => names.includes(first))
  const loads = named.length > 0 ? named : rows
  for (const register of await Promise.all(loads.map(({ load }) => load())))
    register(program, terminal)
}

/**
 * For the streams of a front door. Whoever reads may have had enough (`| head -1`): what is done goes on, and what is
 * said to nobody is lost. Any other trouble is thrown, such as a disk that is full.
 */
export function outlive(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** In ASCII: names from outside must not play with the terminal or log that shows the document. */
export const asciiJson = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(
    /[\x7f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
