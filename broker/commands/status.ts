import type { Command } from 'commander'
import { shown } from '../../keys-pipeline/errors.ts'
import { hung, span } from '../../keys-pipeline/words.ts'
import { askDaemon } from '../admin-client.ts'
import { readConfig } from '../config.ts'
import type { Status, UpstreamStatus } from '../status.ts'
import type { Terminal } from './terminal.ts'

/** `status`: how the running broker does, trouble first. */
export function statusCommand(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('how the running broker does: each EHR, trouble first, and why')
    .option('--config <file>', 'the config of the broker', 'broker.yaml')
    .option('--json', 'one JSON document on standard output')
    .action((given: { config: string; json?: true }) => run(given, terminal))
}

async function run(given: { config: string; json?: true }, terminal: Terminal): Promise<void> {
  const { admin } = readConfig(terminal.path(given.config))
  const status = (await askDaemon(admin, '/status')) as Status
  if (given.json) terminal.printJson(status)
  else terminal.print(statusReport(status))
  if (status.upstreams.some(isTrouble)) terminal.fail()
}

const isTrouble = ({ state }: UpstreamStatus): boolean =>
  state === 'failing' || state === 'never_worked'

const ORDER: readonly UpstreamStatus['state'][] = ['never_worked', 'failing', 'working', 'untried']
const WORDS: Readonly<Record<UpstreamStatus['state'], string>> = {
  never_worked: '✗ never worked',
  failing: '✗ failing',
  working: '✓ working',
  untried: '- untried',
}

/** For a terminal of 100 columns. */
function statusReport({ time, startedAt, config, upstreams }: Status): string {
  const count = (state: UpstreamStatus['state']): string =>
    `${upstreams.filter(each => each.state === state).length} ${WORDS[state].slice(2)}`
  const since = span((Date.parse(time) - Date.parse(startedAt)) / 1000)
  const sorted = [...upstreams].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
  return [
    `${ORDER.map(count).join(', ')}; up for ${since}, config ${config.slice(0, 12)}`,
    '',
    ...sorted.flatMap(each => upstreamLines(each, Date.parse(time))),
  ].join('\n')
}

const TITLE = 16

function upstreamLines(upstream: UpstreamStatus, now: number): string[] {
  const { id, state, lastSuccess, lastFailure, failures, skew, tokens, causes, kid } = upstream
  const ago = (time: string): string => `${span((now - Date.parse(time)) / 1000)} ago`
  const facts = [
    ...(lastSuccess === null ? [] : [`a token ${ago(lastSuccess)}`]),
    ...(lastFailure && failures > 0
      ? [`${failures} × ${lastFailure.code}, last ${ago(lastFailure.time)}`]
      : []),
    ...tokens.map(({ expiresIn }) => `one held for ${span(expiresIn)} more`),
    ...(skew !== null && Math.abs(skew) > 5 ? [`its clock is ${skew} s ahead`] : []),
    ...(kid === null ? ['no key signs for it'] : []),
  ]
  return [
    ...hung(WORDS[state], `${shown(id)}${facts.length > 0 ? `: ${facts.join('; ')}` : ''}`, TITLE),
    ...causes
      .slice(0, 2)
      .flatMap(({ code, because, fix }) => [
        ...hung('', `${code}: ${because}`, TITLE),
        ...hung('', `do: ${fix}`, TITLE),
      ]),
  ]
}
