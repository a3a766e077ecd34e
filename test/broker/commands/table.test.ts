import { COMMANDS } from '../../../broker/commands/table.ts'
import type { Terminal } from '../../../broker/commands/terminal.ts'
import { holdsTable } from '../../support/commands.ts'

const parts: Partial<Terminal> = { path: given => given, home: '.' }

holdsTable(COMMANDS, parts as Terminal)
