import type { CommandRow } from '../front.ts'
import type { Terminal } from './terminal.ts'

/** In the order of the help. */
export const COMMANDS: readonly CommandRow<Terminal>[] = [
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
