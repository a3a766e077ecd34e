import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type Finding, refuseAny, shown } from '../errors.ts'
import type { GitHub } from '../github/client.ts'
import type { Publication } from '../github/deployments.ts'
import { KEYS_FOLDER } from '../github/key-changes.ts'
import type { Fault } from '../github/watch-issue.ts'
import { judgeFiles, judgeKeys } from '../pipeline.ts'
import { openFetch } from '../published.ts'
import { readAuthority, readTemplates } from '../read.ts'
import { render } from '../render.ts'
import { findingsReport } from '../report.ts'
import { openSettings, readSettings, type Settings } from '../settings.ts'
import { type Expected, expectedOf, verify } from '../verify.ts'
import { secondsIn } from './option-values.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type WatchOptions = {
  repository: string
  keys: string
  settings: string
  deadline: number
  ca?: string
  json?: true
}

/** `github watch`: the live sets beside what was last deployed, and an issue for each fault. */
export function watchCommand(github: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  github
    .command('watch')
    .description(
      'compare the live sets with what was last deployed, look at Pages, and keep one issue open for each fault',
    )
    .addOption(options.repository().makeOptionMandatory())
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(
      new Option(
        '--deadline <seconds>',
        'how long a difference may last: a deployment takes a while',
      )
        .default(600)
        .argParser(secondsIn(0, 99_999)),
    )
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(options.json())
    .action((given: WatchOptions) => run(given, terminal))
}

async function run(given: WatchOptions, terminal: Terminal): Promise<void> {
  const settings = readSettings(given.settings, terminal.show)
  const { openGitHub } = await import('../github/client.ts')
  const github = openGitHub({ repository: given.repository, ...terminal.github })
  const faults = [
    ...(await publishedFaults(github, given, settings, terminal)),
    ...(await pagesFaults(github, settings, terminal.now())),
  ]
  const { reportFaults } = await import('../github/watch-issue.ts')
  const { deeds, findings } = await reportFaults(github, faults.map(faultOf), {
    now: terminal.now(),
  })
  if (given.json) terminal.printJson({ faults, deeds, findings })
  else {
    if (faults.length > 0) terminal.print(findingsReport(faults))
    for (const { did, issue } of deeds) terminal.print(`${did} issue ${issue}`)
    if (faults.length === 0) terminal.print('✓ the world has what was deployed')
  }
  // A fault that has its issue is told; what could not be told makes the run red.
  if (findings.length > 0) terminal.fail(findings)
}

/** A deployment that ends while the world is asked is no fault: it is then asked for the newer one. */
async function publishedFaults(
  github: GitHub,
  given: WatchOptions,
  settings: Settings,
  terminal: Terminal,
): Promise<Finding[]> {
  const { judgeBehind, newestPublication } = await import('../github/deployed.ts')
  const deployed = await newestPublication(github)
  let live = await liveFaults(
    given,
    await expectedNow(deployed, given, settings, terminal),
    terminal,
  )
  if (live.length > 0) {
    const newer = await newestPublication(github)
    if (newer?.sha !== deployed?.sha)
      live = await liveFaults(given, await expectedNow(newer, given, settings, terminal), terminal)
  }
  if (deployed === null) return live
  return [...live, ...(await judgeBehind(github, deployed, terminal.now()))]
}

/** What was deployed; the checkout where nobody knows of a deployment. */
async function expectedNow(
  deployed: Publication | null,
  given: WatchOptions,
  settings: Settings,
  { project, show, note }: Terminal,
): Promise<Expected[]> {
  const templates = readTemplates(`${project}/site`)
  if (deployed !== null) {
    const then = openSettings(await deployed.settings())
    const [production, nonprod] = [
      await deployed.files('production'),
      await deployed.files('nonprod'),
    ]
    const { environments } = judgeFiles(KEYS_FOLDER, { production, nonprod })
    const known = Array.isArray(then) ? settings : then
    return expectedOf(render(environments, known, templates, null), known)
  }
  note('no deployment is on record: the live sets are compared with the keys folder')
  const { environments, findings } = judgeKeys(given.keys, show)
  if (Object.values(environments).every(each => each.keys.length === 0)) return []
  refuseAny(findings)
  return expectedOf(render(environments, settings, templates, null), settings)
}

async function liveFaults(
  given: WatchOptions,
  expected: readonly Expected[],
  terminal: Terminal,
): Promise<Finding[]> {
  const ca = given.ca && readAuthority(given.ca, terminal.show)
  const { visit, close } = openFetch(ca, terminal.elapsed)
  const found = await verify(expected, given.deadline, {
    visit,
    now: terminal.now,
    wait,
    buster: () => terminal.now().toString(36),
    progress: ({ findings: each, seconds }) =>
      terminal.note(`${seconds} s  ${each.map(({ code }) => code).join(', ')}`),
  })
  await close()
  return found
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
