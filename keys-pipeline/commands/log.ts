import { type Command, InvalidArgumentError, Option } from 'commander'
import { shown } from '../errors.ts'
import { type Fetches, type Grouped, groupFetches } from '../fetches.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import { type Network, networkIn } from '../networks.ts'
import { logLines } from '../read-log.ts'
import { columns } from '../report.ts'
import { readSettings } from '../settings.ts'
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
      networks,
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
  const settings = readSettings(given.settings, show)
  const sets = ENVIRONMENTS.map(name => `/${settings.environments[name].path}`)
  const { from, since } = given
  const grouped = await groupFetches(logLines(files.map(path), show), { sets, from, since })
  const everHad = grouped.networks.some(each => Object.keys(each.sets).length > 0)
  if (given.json) printJson({ ...grouped, sets })
  else {
    print(table(grouped, sets))
    if (from)
      print(
        everHad
          ? '✓ a key set was had from there'
          : '✗ no key set was ever had from there: let the hospital allow this host on its firewall and proxy',
      )
  }
  if (grouped.unread > 0) note(`${grouped.unread} of ${grouped.lines} lines could not be read`)
  if (grouped.beyond > 0) note(`${grouped.beyond} lines are of yet other networks`)
  if (from && !everHad) terminal.fail([])
}

const LONGEST_AGENT = 24

function table({ networks: all, lines }: Grouped, sets: readonly string[]): string {
  if (all.length === 0) return `nobody, in ${lines} lines`
  const rows = all.map(each => [
    each.network,
    ...sets.map(path => `${each.sets[path] ?? 0}`),
    `${each.requests}`,
    problems(each),
    day(each.first),
    day(each.last),
    shown(each.agents[0] ?? '').slice(0, LONGEST_AGENT),
  ])
  const heads = ['NETWORK', ...ENVIRONMENTS.map(name => name.toUpperCase().slice(0, 4))]
  return columns([[...heads, 'ALL', 'NOT HAD', 'FIRST', 'LAST', 'AGENT'], ...rows])
}

/** What did not end well: `404 3×`, and connections that never became a request. */
function problems({ statuses, failures }: Fetches): string {
  const bad = Object.entries(statuses)
    .filter(([status]) => Number(status) >= 400)
    .map(([status, count]) => `${status} ${count}×`)
  return [...bad, ...(failures > 0 ? [`TLS ${failures}×`] : [])].slice(0, 2).join(', ') || '-'
}

const day = (time: string): string => time.slice(0, 10)

function networks(text: string, before: Network[] = []): Network[] {
  const network = networkIn(text)
  if (network === null)
    throw new InvalidArgumentError('It must be an address or a network such as 203.0.113.0/24.')
  return [...before, network]
}

function moment(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new InvalidArgumentError('It must be a day or a moment, in ISO 8601.')
  return new Date(time).toISOString()
}
