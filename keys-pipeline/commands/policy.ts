import { type Command, Option } from 'commander'
import { changeTable } from '../change-table.ts'
import { type Finding, refuseAny } from '../errors.ts'
import { liveSince, type Publication, readHistory } from '../history.ts'
import { ENVIRONMENTS, type Environment } from '../key-set.ts'
import { type Judgement, judgeKeys } from '../pipeline.ts'
import { type Change, judgeChange } from '../policy.ts'
import { type Fetch, openFetch } from '../published.ts'
import { readAuthority } from '../read.ts'
import { findingsReport } from '../report.ts'
import { keySetUrl, readSettings, type Settings } from '../settings.ts'
import { standingOf } from '../standing.ts'
import { appendTo } from '../write.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type PolicyOptions = {
  keys: string
  settings: string
  repository?: string
  summary?: string
  output?: string
  ca?: string
  json?: true
}

/** `policy`: the live sets beside what this commit would publish. */
export function policyCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('policy')
    .description('compare what is live with what would be published, and say what would break')
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(options.repository())
    .addOption(
      new Option('--summary <file>', 'append the key sets before and after, in Markdown')
        .env('GITHUB_STEP_SUMMARY')
        .argParser(terminal.path),
    )
    .addOption(options.output())
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(options.json())
    .action((given: PolicyOptions) => run(given, terminal))
}

async function run(given: PolicyOptions, terminal: Terminal): Promise<void> {
  const { show } = terminal
  const settings = readSettings(given.settings, show)
  const judgement = judgeKeys(given.keys, show)
  refuseAny(judgement.findings.filter(each => each.code !== 'set_empty'))
  const history = await historyOf(given, settings, terminal)
  const ca = given.ca && readAuthority(given.ca, show)
  const { visit, close } = openFetch(ca, terminal.elapsed)
  const { changes, findings } = await compare(given, judgement, settings, history, {
    terminal,
    visit,
  })
  await close()

  const begun = changes.some(each => each.live !== null || each.next.keys.length > 0)
  if (given.output) appendTo(given.output, `begun=${begun}\n`, show)
  if (given.summary) appendTo(given.summary, `${changes.map(changeTable).join('\n')}\n`, show)
  if (!begun) terminal.notice('No key yet', 'nothing is published until a first key is committed')
  report(given, changes, begun ? findings : [], terminal)
}

function report(
  given: PolicyOptions,
  changes: readonly Change[],
  findings: readonly Finding[],
  terminal: Terminal,
): void {
  const first = changes.filter(each => each.live === null && each.next.keys.length > 0)
  if (given.json)
    terminal.printJson({ findings, firstPublications: first.map(each => each.next.url) })
  else {
    for (const { next } of first) terminal.notice('First publication', next.url)
    terminal.print(
      findings.length > 0
        ? findingsReport(findings)
        : '✓ nobody who holds the live sets would be cut off',
    )
  }
  if (findings.length > 0) terminal.fail(findings)
}

async function historyOf(
  { repository }: PolicyOptions,
  { guard }: Settings,
  terminal: Terminal,
): Promise<Publication[] | null> {
  if (repository === undefined) return null
  const { openGitHub } = await import('../github/client.ts')
  const { publicationHistory } = await import('../github/deployments.ts')
  const github = openGitHub({ repository, ...terminal.github })
  return readHistory(publicationHistory(github), terminal.now() - guard.live * 1000)
}

async function compare(
  { keys: folder }: PolicyOptions,
  judgement: Judgement,
  settings: Settings,
  history: Publication[] | null,
  { terminal, visit }: { terminal: Terminal; visit: Fetch },
): Promise<{ changes: Change[]; findings: Finding[] }> {
  const urlIn = (base: string, environment: Environment) =>
    keySetUrl(base, settings.environments[environment].path)
  const standings = await Promise.all(
    ENVIRONMENTS.map(each =>
      standingOf(each, urlIn(settings.moved?.from ?? settings.baseUrl, each), history, visit),
    ),
  )
  const liveOf = (environment: Environment) =>
    standings[ENVIRONMENTS.indexOf(environment)]?.live ?? null
  const changes = ENVIRONMENTS.map((environment): Change => {
    const { keys, lifecycle } = judgement.environments[environment]
    const other = environment === 'production' ? 'nonprod' : 'production'
    return {
      environment,
      place: terminal.show(`${folder}/${environment}`),
      live: liveOf(environment),
      next: {
        url: urlIn(settings.baseUrl, environment),
        keys,
        lifecycle,
        movedFrom: settings.moved ? urlIn(settings.moved.from, environment) : null,
      },
      liveElsewhere: liveOf(other)?.keys ?? [],
      liveSince: print => (history ? liveSince(history, environment, print) : null),
      guard: settings.guard,
      now: terminal.now(),
    }
  })
  const judged = await Promise.all(changes.map(judgeChange))
  return { changes, findings: [...standings.flatMap(each => each.findings), ...judged.flat()] }
}
