import { join, relative, sep } from 'node:path'
import type { Command } from 'commander'
import { refuseAny } from '../errors.ts'
import type { KeyChange } from '../github/key-changes.ts'
import type { Plan, Proposed } from '../github/proposal.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import { judgeKeys } from '../pipeline.ts'
import { readEnvironmentFolder } from '../read.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type ProposeOptions = { repository: string; keys: string; dryRun?: true; json?: true }

/** `github propose`: what the keys folder has beyond the default branch, as a pull request. */
export function proposeCommand(github: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  github
    .command('propose')
    .description('open a pull request for the keys that were added or retired here')
    .addOption(options.repository().makeOptionMandatory())
    .addOption(options.keys())
    .option('--dry-run', 'say what would be proposed, and send nothing')
    .addOption(options.json())
    .action((given: ProposeOptions) => run(given, terminal))
}

async function run(given: ProposeOptions, terminal: Terminal): Promise<void> {
  const changes = changesIn(given.keys, terminal)
  const { openGitHub } = await import('../github/client.ts')
  const { planProposal, proposeKeys } = await import('../github/proposal.ts')
  const github = openGitHub({ repository: given.repository, ...terminal.github })
  const done = given.dryRun
    ? planned(await planProposal(github, changes))
    : await proposeKeys(github, changes)
  if (given.json) terminal.printJson(summary(done))
  else terminal.print(report(done))
}

type Done = Proposed | { did: 'planned'; plan: Plan }

const planned = (plan: Plan | null): Done =>
  plan === null ? { did: 'unneeded' } : { did: 'planned', plan }

/** The folder as it is: a key that it does not have, but has not retired either, is passed over. */
function changesIn(keys: string, { show }: Terminal): KeyChange[] {
  const { environments, findings } = judgeKeys(keys, show)
  refuseAny(findings)
  return ENVIRONMENTS.map(environment => {
    const folder = join(keys, environment)
    const { files } = readEnvironmentFolder(folder, path => relative(folder, path))
    return {
      environment,
      files: files.map(({ file, bytes }) => ({ name: file.split(sep).join('/'), bytes })),
      lifecycle: environments[environment].lifecycle,
    }
  })
}

const filesOf = ({ files }: Plan) =>
  [...files].map(([path, bytes]) => ({ path, did: bytes === null ? 'removed' : 'written' }))

function summary(done: Done): object {
  if (done.did === 'unneeded') return done
  const { plan, ...rest } = done
  const { branch, title } = plan
  return { ...rest, branch, title, files: filesOf(plan) }
}

const SAID = {
  opened: '✓ opened',
  updated: '✓ brought up to date',
  unchanged: '✓ there already',
  declined: '! closed by somebody; reopen it to go on',
} as const

const NEXT =
  'Next: judge-keys checks it, a code owner reviews it; when it is merged it is deployed and proven live.'

function report(done: Done): string {
  if (done.did === 'unneeded') return '✓ the default branch has these keys already'
  const { plan } = done
  const head =
    done.did === 'planned'
      ? `would open a pull request from ${plan.branch} to ${plan.base}`
      : `${SAID[done.did]}: ${done.url}`
  const files = filesOf(plan).map(({ path, did }) => `  ${did === 'removed' ? '-' : '+'} ${path}`)
  const next = done.did === 'planned' || done.did === 'declined' ? [] : [NEXT]
  return [head, `  ${plan.title}`, ...files, ...next].join('\n')
}
