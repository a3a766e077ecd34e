import { type Command, Option } from 'commander'
import { type Finding, finding, PipelineError, refuseAny, shown } from '../errors.ts'
import type { GitHub } from '../github/client.ts'
import type { KeyChange } from '../github/key-proposal.ts'
import type { FileChange, Proposed } from '../github/proposal.ts'
import { ENVIRONMENTS, type Environment } from '../key-set.ts'
import { judgeKeys } from '../pipeline.ts'
import { findingsReport } from '../report.ts'
import { openRepository, optionsIn, type Terminal } from './terminal.ts'

type ProposeOptions = {
  repository: string
  keys: string
  environment?: Environment
  dryRun?: true
  json?: true
}

/** One key, and what came of it. */
interface Told {
  environment: Environment
  change: 'add' | 'retire'
  kid: string
  thumbprint: string
  branch: string
  title: string
  files: readonly FileChange[]
  did: Proposed['did']
  number: number | null
  url: string | null
}

/** `github propose`: what `generate`, `add` and `retire` did here, as pull requests. */
export function proposeCommand(github: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  github
    .command('propose')
    .description(
      'open a pull request for each key that was added or retired here and is not yet so in the default branch',
    )
    .addOption(options.repository().makeOptionMandatory())
    .addOption(options.environment())
    .addOption(options.keys())
    .addOption(new Option('--dry-run', 'say what would be done, and change nothing'))
    .addOption(options.json())
    .action((given: ProposeOptions) => propose(given, terminal))
}

async function propose(given: ProposeOptions, terminal: Terminal): Promise<void> {
  const local = judgeKeys(given.keys, terminal.show)
  refuseAny(local.findings)
  const github = await openRepository(given.repository, terminal)
  const { committedKeys } = await import('../github/committed-keys.ts')
  const { gitObjects } = await import('../github/git-objects.ts')
  const { changesBeyond } = await import('../github/local-changes.ts')
  const { headOfDefaultBranch } = await import('../github/repository.ts')
  const { branch, sha } = await headOfDefaultBranch(github)
  const objects = gitObjects(github)
  const changes: KeyChange[] = []
  const findings: Finding[] = []
  for (const name of ENVIRONMENTS.filter(each => each === (given.environment ?? each))) {
    const committed = await committedKeys(objects, sha, name)
    const beyond = changesBeyond(name, local.environments[name], committed)
    changes.push(...beyond.changes)
    findings.push(...beyond.findings)
  }
  const told: Told[] = []
  for (const change of changes) {
    const done = await tell(github, change, given.dryRun === true)
    if ('did' in done) told.push(done)
    else findings.push(...done.findings)
  }
  findings.push(...told.flatMap(declined))
  report(given, { told, findings, branch }, terminal)
}

/** What stands against one key does not keep the others from being proposed. */
async function tell(
  github: GitHub,
  change: KeyChange,
  isDry: boolean,
): Promise<Told | { findings: readonly Finding[] }> {
  const { planProposal, propose: carryOut } = await import('../github/proposal.ts')
  const { proposalOf } = await import('../github/key-proposal.ts')
  const { environment, key } = change
  const proposal = proposalOf(change)
  try {
    const { did, pull, files } = await planProposal(github, proposal)
    const done = isDry ? { did, ...pull } : await carryOut(github, proposal)
    const { number = null, url = null } = { number: undefined, url: undefined, ...done }
    const { branch, title } = proposal
    return {
      ...{ environment, change: 'entry' in change ? 'add' : 'retire', kid: key.jwk.kid },
      ...{ thumbprint: key.thumbprint, branch, title, files, did: done.did, number, url },
    }
  } catch (error) {
    if (error instanceof PipelineError) return error
    throw error
  }
}

function declined({ did, url, title, kid }: Told): Finding[] {
  if (did !== 'declined' || url === null) return []
  return [finding('proposal_declined', url, `was closed without being merged: ${title}`, kid)]
}

function report(
  { dryRun = false, json }: ProposeOptions,
  { told, findings, branch }: { told: readonly Told[]; findings: Finding[]; branch: string },
  terminal: Terminal,
): void {
  if (json) {
    const proposals = told.map(({ files, ...each }) => ({ ...each, files: files.map(fileLine) }))
    terminal.printJson({ dryRun, proposals, findings })
  } else {
    for (const each of told.filter(({ did }) => did !== 'declined'))
      terminal.print(proposalReport(each, dryRun))
    if (findings.length > 0) terminal.print(findingsReport(findings))
    else if (told.length === 0) terminal.print(`✓ ${branch} has every change that was made here`)
    if (!dryRun && told.some(({ url, did }) => url !== null && did !== 'declined'))
      terminal.print(
        'Next: the check judge-keys runs, a code owner reviews and merges, and the merge deploys. Then: npm run -s keys -- verify',
      )
  }
  if (findings.length > 0) terminal.fail(findings)
}

const SAYS: Readonly<Record<Proposed['did'], { done: string; would: string }>> = {
  opened: { done: 'opened', would: 'would be opened' },
  updated: { done: 'brought up to date', would: 'would be brought up to date' },
  unchanged: { done: 'is open already', would: 'is open already' },
  declined: { done: 'was closed', would: 'was closed' },
  unneeded: { done: 'is so already', would: 'is so already' },
}

function proposalReport({ title, did, url, files }: Told, isDry: boolean): string {
  const says = SAYS[did][isDry ? 'would' : 'done']
  const lines = files.map(each => `    ${fileLine(each)}`)
  return [`✓ ${shown(title)}: ${says}`, ...(url === null ? [] : [`    ${url}`]), ...lines].join(
    '\n',
  )
}

const fileLine = ({ path, content }: FileChange): string =>
  `${content === null ? '-' : '+'} ${path}`
