import { isatty } from 'node:tty'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { shown } from '../errors.ts'
import { type Fetches, type Grouped, groupFetches } from '../fetches.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import type { Network } from '../networks.ts'
import { logLines } from '../read-log.ts'
import { columns } from '../report.ts'
import { readSettings } from '../settings.ts'
import { networksIn } from './option-values.ts'
import { optionsIn, type Terminal } from './terminal.ts'

interface LogOptions {
  from?: Network[]
  since?: string
  settings: string
  json?: true
}

/** `log`: who fetched, by the access log of `serve`. */
export function logCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('log')
    .description(
      'group the access log of serve by network, so that you see whether a hospital ever fetched',
    )
    .argument('[files...]', 'logs, .gz too; standard input where there is none')
    .option(
      '--from <network>',
      'only what comes from there; exit 1 if it never had a key set. May be given several times',
      networksIn,
    )
    .addOption(
      new Option(
        '--since <time>',
        'only what is as late: 2026-11-25 or 2026-11-25T12:00Z',
      ).argParser(moment),
    )
    .addOption(options.settings())
    .addOption(options.json())
    .action((files: string[], given: LogOptions) => run(files, given, terminal))
}

async function run(files: string[], given: LogOptions, terminal: Terminal): Promise<void> {
  const { show, path, print, printJson, note } = terminal
  const { environments } = readSettings(given.settings, show)
  const sets = ENVIRONMENTS.map(name => environments[name].path)
  const { from, since } = given
  if (files.length === 0 && isatty(STANDARD_INPUT)) note('reading standard input (Ctrl-D ends it)')
  const grouped = await groupFetches(logLines(files.map(path), show), { sets, from, since })
  const { had, lines, unread, lost, beyond } = grouped
  if (given.json) printJson({ ...grouped, sets })
  else {
    print(table(grouped, sets))
    if (from) print(verdict(grouped, since))
  }
  if (unread > 0) note(`${unread} of ${lines} lines could not be read`)
  if (lost > 0) note(`${lost} lines were lost when they should have been written`)
  if (beyond > 0) note(`${beyond} lines are of yet other networks`)
  if (from && !had) terminal.fail([])
}

const STANDARD_INPUT = 0

/** Of what `--from` names; of what was before it began a log tells nothing. */
function verdict({ had, networks: found, begins }: Grouped, since?: string): string {
  if (had) return '✓ a key set was had from there'
  if (begins === null) return '✗ the log is empty'
  const day = (since !== undefined && since > begins ? since : begins).slice(0, 10)
  const asFar = `since ${day}, as far as this log tells`
  return found.length > 0
    ? `✗ somebody came from there, but had no key set ${asFar}`
    : `✗ nobody came from there ${asFar}\n  Is this host allowed on their firewall and proxy?`
}

/** Columns of a terminal or an e-mail. */
const WIDTH = 100

function table({ networks: all, lines }: Grouped, sets: readonly string[]): string {
  if (all.length === 0) return `nobody, in ${lines} lines`
  const rows = all.map(each => [
    each.network,
    ...sets.map(path => `${each.sets[path] ?? 0}`),
    `${each.requests}`,
    each.first.slice(0, 10),
    each.last.slice(0, 10),
    agentsOf(each),
  ])
  const heads = ['NETWORK', ...ENVIRONMENTS.map(name => name.toUpperCase().slice(0, 4))]
  const [head = '', ...lined] = columns([[...heads, 'ALL', 'FIRST', 'LAST', 'AGENT'], ...rows])
    .split('\n')
    .map(line => line.slice(0, WIDTH))
  return [head, ...lined.flatMap((line, at) => [line, ...problemsOf(all[at])])].join('\n')
}

const agentsOf = ({ agents: [first = '', ...more] }: Fetches): string =>
  `${shown(first).slice(0, 24)}${more.length > 0 ? ` +${more.length}` : ''}`

/** What did not end well, below its network: `404 ×3`, and connections that never became a request. */
function problemsOf(fetches: Fetches | undefined): string[] {
  const { statuses = {}, failures = {} } = fetches ?? {}
  const bad = Object.entries(statuses).filter(([status]) => Number(status) >= 400)
  const told = [...bad, ...Object.entries(failures)].map(
    ([what, count]) => `${shown(what)} ×${count}`,
  )
  if (told.length === 0) return []
  return [`  not had: ${told.join(', ')}`.slice(0, WIDTH)]
}

function moment(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new InvalidArgumentError('It must be a day or a moment, in ISO 8601.')
  return new Date(time).toISOString()
}
