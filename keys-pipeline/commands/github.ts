import { type Command, Option } from 'commander'
import type { GitHub } from '../github/client.ts'
import { findingsReport } from '../report.ts'
import { readSettings } from '../settings.ts'
import { appendTo } from '../write.ts'
import { proposeCommand } from './propose.ts'
import { optionsIn, type Terminal } from './terminal.ts'
import { watchCommand } from './watch.ts'

type NewestOptions = { repository: string; commit: string; output?: string }
type CheckOptions = { repository: string; settings: string; json?: true }

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
  watchCommand(github, terminal)
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

async function open(repository: string, terminal: Terminal): Promise<GitHub> {
  const { openGitHub } = await import('../github/client.ts')
  return openGitHub({ repository, ...terminal.github })
}
