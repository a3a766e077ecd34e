import type { CommandRow } from '../../keys-pipeline/front.ts'
import type { Terminal } from './terminal.ts'

/** In the order of the help. */
export const COMMANDS: readonly CommandRow<Terminal>[] = [
  {
    names: ['service-secret', 'init'],
    load: async () => (await import('./begin.ts')).beginCommands,
  },
  { names: ['discover'], load: async () => (await import('./discover.ts')).discoverCommand },
  { names: ['import'], load: async () => (await import('./import.ts')).importCommand },
  { names: ['diagnose'], load: async () => (await import('./diagnose.ts')).diagnoseCommand },
  { names: ['fhir'], load: async () => (await import('./fhir.ts')).fhirCommand },
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
