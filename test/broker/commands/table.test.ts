import { Command } from 'commander'
import { expect, test } from 'vitest'
import { COMMANDS, registerCommands } from '../../../broker/commands/table.ts'
import type { Terminal } from '../../../broker/commands/terminal.ts'

const terminal = { path: given => given, project: '.', home: '.' } as Partial<Terminal> as Terminal

const registered = async (args: string[]): Promise<string[]> => {
  const program = new Command()
  await registerCommands(program, terminal, args)
  return program.commands.map(each => each.name())
}

test.each(COMMANDS)('the row of $names says what its module registers', async ({ names }) => {
  for (const name of names) expect(await registered([name, '--json'])).toEqual(names)
})

test.each([[[]], [['--help']], [['help']], [['no-such-command']]])(
  'all are there for who asks for none of them: %j',
  async args => {
    expect(await registered(args)).toEqual(COMMANDS.flatMap(({ names }) => names))
  },
)
