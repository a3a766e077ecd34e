import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type Finding, refuseAny, shown } from '../errors.ts'
import type { GitHub } from '../github/client.ts'
import type { Fault } from '../github/watch-issue.ts'
import { type Publication, readHistory } from '../history.ts'
import { judgeKeys } from '../pipeline.ts'
import { openFetch } from '../published.ts'
import { readAuthority, readTemplates } from '../read.ts'
import { render } from '../render.ts'
import { findingsReport } from '../report.ts'
import { readSettings, type Settings } from '../settings.ts'
import { type Expected, expectedFrom, expectedOf, verify } from '../verify.ts'
import { openRepository, optionsIn, type Terminal } from './terminal.ts'

type WatchOptions = {
  repository: string
  keys: string
  settings: string
  deadline: string
  ca?: string
  json?: true
}

/** `github watch`: an issue for each thing that is wrong with what the world sees. */
export function watchCommand(github: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  github
    .command('watch')
    .description(
      'look at the live sets, at the last deployment and at Pages, and keep one issue open for each fault',
    )
    .addOption(options.repository().makeOptionMandatory())
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(
      new Option(
        '--deadline <seconds>',
        'how long a difference may last: a deployment takes a while',
      ).default('600'),
    )
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(options.json())
    .action((given: WatchOptions) => watch(given, terminal))
}

async function watch(given: WatchOptions, terminal: Terminal): Promise<void> {
  const settings = readSettings(given.settings, terminal.show)
  const github = await openRepository(given.repository, terminal)
  const live = await liveFaults(given, github, settings, terminal)
  const faults = [
    ...live.faults,
    ...(await lagFaults(github, live.deployed, terminal.now())),
    ...(await pagesFaults(github, settings, terminal.now())),
  ]
  const { reportFaults } = await import('../github/watch-issue.ts')
  const { deeds, findings } = await reportFaults(github, faults.map(faultOf), {
    now: terminal.now(),
  })
  if (given.json) terminal.printJson({ deployed: live.deployed, faults, deeds, findings })
  else {
    if (faults.length > 0) terminal.print(findingsReport(faults))
    for (const { did, issue } of deeds) terminal.print(`${did} issue ${issue}`)
    if (faults.length === 0) terminal.print('✓ the world has what was deployed')
  }
  // A fault that has its issue is told; what could not be told makes the run red.
  if (findings.length > 0) terminal.fail(findings)
}

interface Live {
  faults: Finding[]
  /** The commit that the live sets were compared with; null where it was the checkout. */
  deployed: string | null
}

/** A second look where a deployment ended during the first: what is live since then is not what was expected. */
async function liveFaults(
  given: WatchOptions,
  github: GitHub,
  settings: Settings,
  terminal: Terminal,
): Promise<Live> {
  const first = await newestPublication(github)
  const seen = await compare(first, given, settings, terminal)
  if (seen.faults.length === 0) return seen
  const then = await newestPublication(github)
  return then?.sha === first?.sha ? seen : compare(then, given, settings, terminal)
}

/** Null where there was no deployment, or the token may not see it. */
async function newestPublication(github: GitHub): Promise<Publication | null> {
  const { publicationHistory } = await import('../github/deployments.ts')
  const { unlessHidden } = await import('../github/failure.ts')
  const history = await unlessHidden(readHistory(publicationHistory(github), Infinity))
  return history?.[0] ?? null
}

async function compare(
  publication: Publication | null,
  given: WatchOptions,
  settings: Settings,
  terminal: Terminal,
): Promise<Live> {
  const deployed = publication?.sha ?? null
  if (deployed === null)
    terminal.note('no deployment is on record: the live sets are compared with this checkout')
  const expected = publication ? expectedFrom(publication) : expectedHere(given, settings, terminal)
  const ca = given.ca && readAuthority(given.ca, terminal.show)
  const { visit, close } = openFetch(ca, terminal.elapsed)
  const faults = await verify(expected, Number(given.deadline), {
    visit,
    now: terminal.now,
    wait,
    buster: () => terminal.now().toString(36),
    progress: ({ findings: each, seconds }) =>
      terminal.note(`${seconds} s  ${each.map(({ code }) => code).join(', ')}`),
  })
  await close()
  return { faults, deployed }
}

function expectedHere(given: WatchOptions, settings: Settings, terminal: Terminal): Expected[] {
  const { environments, findings } = judgeKeys(given.keys, terminal.show)
  if (Object.values(environments).every(each => each.keys.length === 0)) return []
  refuseAny(findings)
  const site = render(environments, settings, readTemplates(`${terminal.project}/site`), null)
  return expectedOf(site, settings)
}

async function lagFaults(github: GitHub, deployed: string | null, now: number): Promise<Finding[]> {
  if (deployed === null) return []
  const { judgeLag } = await import('../github/deployment-lag.ts')
  return judgeLag(github, deployed, now)
}

async function pagesFaults(github: GitHub, settings: Settings, now: number): Promise<Finding[]> {
  const { judgePagesState, readPagesState } = await import('../github/pages-state.ts')
  return judgePagesState(await readPagesState(github), { baseUrl: settings.baseUrl, now })
}

const faultOf = ({ code, file, message, fix }: Finding): Fault => ({
  code,
  place: file,
  title: `${code}: ${shown(file)}`,
  body: `${message}\n\n${fix}`,
})
