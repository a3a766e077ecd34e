import { setTimeout as wait } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Comparison } from '../doctor/evidence.ts'
import { examine } from '../doctor/examine.ts'
import { gather, resolveName } from '../doctor/probe.ts'
import { fromFinding, orGood, type Remark } from '../doctor/remark.ts'
import {
  CHECKLIST,
  checklistReport,
  doctorReport,
  type Examined,
  type ExaminedRepository,
  repositoryReport,
} from '../doctor/report.ts'
import { VENDOR_NAMES, type VendorName } from '../doctor/vendors.ts'
import { refuseAny, type Told } from '../errors.ts'
import { ENVIRONMENTS, type Environment } from '../key-set.ts'
import { type Judgement, judgeKeys } from '../pipeline.ts'
import { openPrivateKey } from '../private-key.ts'
import { readAuthority, readTemplates } from '../read.ts'
import { render } from '../render.ts'
import { keySetUrl, readSettings, type Settings } from '../settings.ts'
import { secondsIn } from './option-values.ts'
import { optionsIn, type Terminal } from './terminal.ts'

interface DoctorOptions {
  environment?: Environment
  keys: string
  settings: string
  privateKey?: string
  ehr: VendorName
  address?: string[]
  ca?: string
  deadline: number
  repository?: string
  json?: true
}

/** `doctor`: a live URL, examined as an EHR would. */
export function doctorCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('doctor')
    .description(
      'examine a live URL as Epic would: name, connection, TLS, answer, caching, each key; and say what to do',
    )
    .argument('[url]', 'of a key set; without it, the URLs in publisher.yaml that have keys')
    .addOption(options.environment())
    .addOption(options.keys())
    .addOption(options.settings())
    .option('--private-key <file>', 'is its public half published?', terminal.path)
    .addOption(
      new Option('--ehr <name>', 'the EHR that must take a key of the set')
        .choices(VENDOR_NAMES)
        .default('epic'),
    )
    .option(
      '--address <address>',
      'ask this address in place of what DNS has; may be given several times',
      (given: string, before: string[] = []) => [...before, given],
    )
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(
      new Option('--deadline <seconds>', 'for each step').default(15).argParser(secondsIn(1, 999)),
    )
    .option(
      '--repository <owner/name>',
      'ask GitHub about its settings too; the token is GITHUB_TOKEN',
    )
    .addOption(options.json())
    .action((url: string | undefined, given: DoctorOptions) => run(url, given, terminal))
}

interface Target {
  url: URL
  comparison: Comparison | null
}

async function run(
  asked: string | undefined,
  given: DoctorOptions,
  terminal: Terminal,
): Promise<void> {
  const { show, note, now, elapsed } = terminal
  const privateKey = given.privateKey ? openPrivateKey(given.privateKey, show).half : null
  const ca = given.ca && readAuthority(given.ca, show)
  const repository =
    given.repository === undefined
      ? null
      : await rulesOf(given.repository, given.settings, terminal)
  const examined: Examined[] = []
  for (const { url, comparison } of targets(asked, given, terminal)) {
    const evidence = await gather(url, {
      ...{ addresses: given.address, ca, deadline: given.deadline, plainPort: null },
      ...{ resolve: resolveName, now, elapsed, wait },
      buster: () => now().toString(36),
      progress: step => note(`asking ${url.host}: ${step}`),
    })
    examined.push({
      url: url.href,
      environment: comparison?.environment ?? null,
      at: new Date(evidence.at).toISOString(),
      ...examine(evidence, { ehr: given.ehr, comparison, privateKey }),
    })
  }
  const reports = [
    ...examined.map(doctorReport),
    ...(repository ? [repositoryReport(repository)] : []),
  ]
  if (given.json) terminal.printJson({ examined, repository, checklist: CHECKLIST })
  else terminal.print([...reports, checklistReport()].join('\n\n'))
  const bad = [
    ...examined.flatMap(({ url, remarks }) => badOf(url, remarks)),
    ...(repository ? badOf(repository.repository, repository.remarks) : []),
  ]
  if (bad.length > 0) terminal.fail(bad)
}

const badOf = (file: string, remarks: readonly Remark[]): Told[] =>
  remarks
    .filter(each => each.level === 'bad')
    .map(({ code, seen, fix }) => ({
      code: code ?? '',
      file,
      kid: null,
      message: seen,
      fix: fix ?? '',
    }))

async function rulesOf(
  repository: string,
  file: string,
  terminal: Terminal,
): Promise<ExaminedRepository> {
  const { baseUrl } = readSettings(file, terminal.show)
  const { openGitHub } = await import('../github/client.ts')
  const { judgeRepository } = await import('../github/repository-rules.ts')
  const github = openGitHub({ repository, ...terminal.github })
  terminal.note(`asking GitHub about ${github.repository}`)
  const findings = await judgeRepository(github, { baseUrl, now: terminal.now() })
  const remarks = findings.map(each => fromFinding('github', each))
  return {
    repository,
    remarks: orGood(remarks, 'github', 'Pages, the branch and Actions are set as they must be'),
  }
}

/** What is looked at: the URL that was given, or each that publishes. */
function targets(asked: string | undefined, given: DoctorOptions, terminal: Terminal): Target[] {
  const settings = readSettings(given.settings, terminal.show)
  const urls = ENVIRONMENTS.map(name => ({ name, url: urlOf(settings, name) }))
  if (asked !== undefined) {
    if (!/^https?:\/\//i.test(asked) || !URL.canParse(asked))
      throw new InvalidArgumentError(`${terminal.show(asked)} is no http or https URL.`)
    const url = new URL(asked)
    const name = given.environment ?? urls.find(each => each.url === url.href)?.name
    if (name === undefined) return [{ url, comparison: null }]
    return [{ url, comparison: comparisonWith(name, judged(given, terminal), settings, terminal) }]
  }
  const judgement = judged(given, terminal)
  const named = urls.filter(({ name }) =>
    given.environment ? name === given.environment : judgement.environments[name].keys.length > 0,
  )
  return named.map(({ name, url }) => ({
    url: new URL(url),
    comparison: comparisonWith(name, judgement, settings, terminal),
  }))
}

function judged(given: DoctorOptions, { show }: Terminal): Judgement {
  const judgement = judgeKeys(given.keys, show)
  refuseAny(judgement.findings)
  return judgement
}

function comparisonWith(
  environment: Environment,
  { environments }: Judgement,
  settings: Settings,
  { project }: Terminal,
): Comparison {
  const site = render(environments, settings, readTemplates(`${project}/site`), null)
  const [other] = ENVIRONMENTS.filter(each => each !== environment)
  return {
    environment,
    text: site.get(settings.environments[environment].path) ?? null,
    keys: environments[environment].keys,
    others: other ? environments[other].keys : [],
  }
}

const urlOf = ({ baseUrl, environments }: Settings, name: Environment): string =>
  keySetUrl(baseUrl, environments[name].path)
