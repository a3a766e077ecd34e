import type { Command } from 'commander'
import type { Terminal } from './terminal.ts'

type Register = (program: Command, terminal: Terminal) => void

interface Row {
  /** What it registers. */
  names: readonly string[]
  load: () => Promise<Register>
}

/** In the order of the help. */
export const COMMANDS: readonly Row[] = [
  {
    names: ['service-secret', 'init'],
    load: async () => (await import('./begin.ts')).beginCommands,
  },
  { names: ['discover'], load: async () => (await import('./discover.ts')).discoverCommand },
  { names: ['import'], load: async () => (await import('./import.ts')).importCommand },
  { names: ['diagnose'], load: async () => (await import('./diagnose.ts')).diagnoseCommand },
  { names: ['status'], load: async () => (await import('./status.ts')).statusCommand },
  {
    names: ['keys', 'rotate', 'release', 'revoke'],
    load: async () => (await import('./keys.ts')).keysCommands,
  },
  {
    names: ['generate-in-token'],
    load: async () => (await import('./generate-in-token.ts')).generateInTokenCommand,
  },
  { names: ['explain'], load: async () => (await import('./explain.ts')).explainCommand },
]

/**
 * The command that the first argument names, or all of them: who asks for one does not wait for the libraries of the
 * others.
 */
export async function registerCommands(
  program: Command,
  terminal: Terminal,
  [first = '']: readonly string[],
): Promise<void> {
  const named = COMMANDS.filter(({ names }) => names.includes(first))
  const loads = named.length > 0 ? named : COMMANDS
  for (const register of await Promise.all(loads.map(({ load }) => load())))
    register(program, terminal)
}
