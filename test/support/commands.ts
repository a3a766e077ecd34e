import { Command } from 'commander'
import { expect, test } from 'vitest'
import { type CommandRow, registerCommands } from '../../keys-pipeline/front.ts'

/** The rules of a table of commands, which both command lines have. */
export function holdsTable<Terminal>(
  rows: readonly CommandRow<Terminal>[],
  terminal: Terminal,
): void {
  const registered = async (args: string[]): Promise<string[]> => {
    const program = new Command()
    await registerCommands(rows, program, terminal, args)
    return program.commands.map(each => each.name())
  }

  test.each(rows)('the row of $names says what its module registers', async ({ names }) => {
    for (const name of names) expect(await registered([name, '--json'])).toEqual(names)
  })

  test.each([[[]], [['--help']], [['help']], [['no-such-command']]])(
    'all are there for who asks for none of them: %j',
    async args => {
      expect(await registered(args)).toEqual(rows.flatMap(({ names }) => names))
    },
  )
}
