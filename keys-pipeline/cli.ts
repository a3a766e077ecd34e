import { homedir } from 'node:os'
import { dirname, relative, resolve } from 'node:path'
import process from 'node:process'
import { Command, CommanderError } from 'commander'
import { COMMANDS } from './commands/table.ts'
import type { Terminal } from './commands/terminal.ts'
import { PipelineError } from './errors.ts'
import { asciiJson, outlive, registerCommands } from './front.ts'
import { keepCompiled } from './keep-compiled.ts'
import { annotation, findingsReport, noticeAnnotation } from './report.ts'

for (const stream of [process.stdout, process.stderr]) stream.on('error', outlive)

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const note = (text: string): void => void process.stderr.write(`${text}\n`)

const printJson = (value: unknown): void => print(asciiJson(value))

/** npm runs scripts in the project's folder; INIT_CWD is where the user stands. */
const here = process.env['INIT_CWD'] ?? process.cwd()

/** The setting, where the variable has one: an empty one is none. */
function fromEnvironment<Name extends string>(
  name: Name,
  variable: string,
): { [N in Name]?: string } {
  const value = process.env[variable]
  return value ? ({ [name]: value } as { [N in Name]: string }) : {}
}

const terminal: Terminal = {
  ...{ print, note, printJson },
  fail: findings => {
    process.exitCode = 1
    if (process.env['GITHUB_ACTIONS'] === 'true')
      for (const each of findings) note(annotation(each))
  },
  notice: (title, text) =>
    note(
      process.env['GITHUB_ACTIONS'] === 'true'
        ? noticeAnnotation(title, text)
        : `${title}: ${text}`,
    ),
  github: {
    ...fromEnvironment('token', 'GITHUB_TOKEN'),
    ...fromEnvironment('baseUrl', 'GITHUB_API_URL'),
  },
  onStop: stop => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  },
  onReopen: reopen => void process.on('SIGHUP', reopen),
  every: (milliseconds, work) => {
    const timer = setInterval(work, milliseconds)
    return () => clearInterval(timer)
  },
  path: given => resolve(here, given),
  show: full => {
    const short = relative(here, full)
    return short === '' || short.startsWith('..') ? full : short
  },
  home: homedir(),
  project: dirname(import.meta.dirname),
  now: Date.now,
  elapsed: () => performance.now(),
}

const program = new Command('keys')
  .description('Publishes public keys as static JWKS files. Never prints a private key.')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit status: 0 good, 1 findings, 2 usage. Every finding code: keys-pipeline/README.md',
  )

/** Findings to whoever asked; anything else is a bug and keeps its stack. */
function exitStatus(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.code === 'usage') note(error.message)
    return error.exitCode === 0 ? 0 : 2
  }
  if (!(error instanceof PipelineError)) throw error
  if (process.argv.includes('--json')) printJson({ findings: error.findings })
  else note(findingsReport(error.findings))
  terminal.fail(error.findings)
  return 1
}

keepCompiled()
try {
  await registerCommands(COMMANDS, program, terminal, process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitStatus(error)
}
