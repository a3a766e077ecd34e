import { randomBytes } from 'node:crypto'
import { homedir } from 'node:os'
import { relative, resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { Command, CommanderError } from 'commander'
import { asciiJson, outlive, registerCommands } from '../keys-pipeline/front.ts'
import { keepCompiled } from '../keys-pipeline/keep-compiled.ts'
import { COMMANDS } from './commands/table.ts'
import { type Terminal, told } from './commands/terminal.ts'
import { BrokerError } from './errors.ts'

for (const stream of [process.stdout, process.stderr]) stream.on('error', outlive)

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const note = (text: string): void => void process.stderr.write(`${text}\n`)

const printJson = (value: unknown): void => print(asciiJson(value))

/** npm runs scripts in the project's folder; INIT_CWD is where the user stands. */
const here = process.env['INIT_CWD'] ?? process.cwd()

const terminal: Terminal = {
  ...{ print, note, printJson },
  fail: () => {
    process.exitCode = 1
  },
  path: given => resolve(here, given),
  show: full => {
    const short = relative(here, full)
    return short === '' || short.startsWith('..') ? full : short
  },
  home: homedir(),
  entropy: randomBytes,
  elapsed: () => performance.now(),
  wait: milliseconds => wait(milliseconds),
  now: () => Date.now(),
}

const program = new Command('broker')
  .description('What an operator does beside running the daemon (npm start -- --config FILE).')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit status: 0 good, 1 not done, 2 usage. Every setting and code: broker/README.md',
  )

/** What could not be done to whoever asked; anything else is a bug and keeps its stack. */
async function exitStatus(error: unknown): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.code === 'usage') note(error.message)
    return error.exitCode === 0 ? 0 : 2
  }
  const { ConfigError } = await import('./config.ts')
  if (error instanceof ConfigError) note(error.message)
  else if (error instanceof BrokerError && error.code !== 'internal')
    note(told(error, terminal.show))
  else throw error
  return 1
}

keepCompiled()
try {
  await registerCommands(COMMANDS, program, terminal, process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  process.exitCode = await exitStatus(error)
}
