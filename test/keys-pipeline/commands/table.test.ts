import { COMMANDS } from '../../../keys-pipeline/commands/table.ts'
import type { Terminal } from '../../../keys-pipeline/commands/terminal.ts'
import { holdsTable } from '../../support/commands.ts'

const parts: Partial<Terminal> = { path: given => given, project: '.', home: '.' }

holdsTable(COMMANDS, parts as Terminal)
