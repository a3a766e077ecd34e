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
    names: ['generate', 'add', 'list'],
    load: async () => (await import('./custody.ts')).custodyCommands,
  },
  { names: ['retire', 'prove'], load: async () => (await import('./retire.ts')).retireCommands },
  { names: ['check'], load: async () => (await import('./check.ts')).checkCommand },
  { names: ['build'], load: async () => (await import('./build.ts')).buildCommand },
  { names: ['serve'], load: async () => (await import('./serve.ts')).serveCommand },
  { names: ['log'], load: async () => (await import('./log.ts')).logCommand },
  { names: ['verify'], load: async () => (await import('./verify.ts')).verifyCommand },
  { names: ['doctor'], load: async () => (await import('./doctor.ts')).doctorCommand },
  { names: ['policy'], load: async () => (await import('./policy.ts')).policyCommand },
  { names: ['github'], load: async () => (await import('./github.ts')).githubCommands },
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
