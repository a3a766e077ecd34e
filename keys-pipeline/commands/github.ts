import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type Finding, refuseAny, shown } from '../errors.ts'
import type { GitHub } from '../github/client.ts'
import type { Fault } from '../github/watch-issue.ts'
import { judgeKeys } from '../pipeline.ts'
import { openFetch } from '../published.ts'
import { readAuthority, readTemplates } from '../read.ts'
import { render } from '../render.ts'
import { findingsReport } from '../report.ts'
import { readSettings, type Settings } from '../settings.ts'
import { expectedOf, verify } from '../verify.ts'
import { appendTo } from '../write.ts'
import { proposeCommand } from './propose.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type NewestOptions = { repository: string; commit: string; output?: string }
type CheckOptions = { repository: string; settings: string; json?: true }
type WatchOptions = {
  repository: string
  keys: string
  settings: string
  deadline: string
  ca?: string
  json?: true
}

/** `github`: what only GitHub can tell, and what is told to it. */
export function githubCommands(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  const github = program
    .command('github')
    .description('ask GitHub about the repository that publishes; the token is GITHUB_TOKEN')
  github
    .command('newest')
    .description(
      'whether the default branch is still at this commit, so that no old set is put back',
    )
    .addOption(options.repository().makeOptionMandatory())
    .addOption(new Option('--commit <sha>', 'the commit').env('GITHUB_SHA').makeOptionMandatory())
    .addOption(options.output())
    .action((given: NewestOptions) => newest(given, terminal))
  github
    .command('check')
    .description(
      'whether its settings keep keys from being published unchecked: Pages, branch, Actions',
    )
    .addOption(options.repository().makeOptionMandatory())
    .addOption(options.settings())
    .addOption(options.json())
    .action((given: CheckOptions) => check(given, terminal))
  github
    .command('watch')
    .description('look at the live sets and at Pages, and keep one issue open for each fault')
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
  proposeCommand(github, terminal)
}

async function newest(given: NewestOptions, terminal: Terminal): Promise<void> {
  const { headOfDefaultBranch } = await import('../github/repository.ts')
  const { branch, sha } = await headOfDefaultBranch(await open(given.repository, terminal))
  const isNewest = sha === given.commit
  if (given.output) appendTo(given.output, `newest=${isNewest}\n`, terminal.show)
  if (isNewest) terminal.print(`✓ ${branch} is at ${sha}`)
  else terminal.notice(`${branch} has moved on`, `to ${sha}, whose own run publishes`)
}

async function check(given: CheckOptions, terminal: Terminal): Promise<void> {
  const { baseUrl } = readSettings(given.settings, terminal.show)
  const github = await open(given.repository, terminal)
  const { judgeRepository } = await import('../github/repository-rules.ts')
  const findings = await judgeRepository(github, { baseUrl, now: terminal.now() })
  if (given.json) terminal.printJson({ findings })
  else
    terminal.print(
      findings.length > 0
        ? findingsReport(findings)
        : `✓ ${github.repository} publishes only what was checked and reviewed`,
    )
  if (findings.length > 0) terminal.fail(findings)
}

async function watch(given: WatchOptions, terminal: Terminal): Promise<void> {
  const settings = readSettings(given.settings, terminal.show)
  const github = await open(given.repository, terminal)
  const faults = [
    ...(await liveFaults(given, settings, terminal)),
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
    if (faults.length === 0) terminal.print('✓ the world has what was built')
  }
  // A fault that has its issue is told; what could not be told makes the run red.
  if (findings.length > 0) terminal.fail(findings)
}

async function liveFaults(
  given: WatchOptions,
  settings: Settings,
  terminal: Terminal,
): Promise<Finding[]> {
  const { show } = terminal
  const { environments, findings } = judgeKeys(given.keys, show)
  if (Object.values(environments).every(each => each.keys.length === 0)) return []
  refuseAny(findings)
  const site = render(environments, settings, readTemplates(`${terminal.project}/site`), null)
  const ca = given.ca && readAuthority(given.ca, show)
  const { visit, close } = openFetch(ca, terminal.elapsed)
  const found = await verify(expectedOf(site, settings), Number(given.deadline), {
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

async function open(repository: string, terminal: Terminal): Promise<GitHub> {
  const { openGitHub } = await import('../github/client.ts')
  return openGitHub({ repository, ...terminal.github })
}

const faultOf = ({ code, file, message, fix }: Finding): Fault => ({
  code,
  place: file,
  title: `${code}: ${shown(file)}`,
  body: `${message}\n\n${fix}`,
})
