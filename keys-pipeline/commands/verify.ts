import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { Agent } from 'undici'
import { readSite } from '../built-site.ts'
import { finding, PipelineError } from '../errors.ts'
import { openKeyFile } from '../forms.ts'
import { toPublicKey } from '../jwk.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import { fetchThrough } from '../published.ts'
import type { Site } from '../render.ts'
import { findingsReport } from '../report.ts'
import { keySetUrl, readSettings, type Settings } from '../settings.ts'
import { type Expected, verify } from '../verify.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type VerifyOptions = { out: string; settings: string; deadline: number; ca?: string; json?: true }

/** `verify`: the live URLs have what was built. */
export function verifyCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('verify')
    .description(
      'ask the live URLs until they have what was built, as a stranger would, and say how they differ',
    )
    .addOption(options.out())
    .addOption(options.settings())
    .addOption(
      new Option('--deadline <seconds>', 'how long to ask').default(1200).argParser(seconds),
    )
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(options.json())
    .action((given: VerifyOptions) => run(given, terminal))
}

async function run(given: VerifyOptions, terminal: Terminal): Promise<void> {
  const { show } = terminal
  const settings = readSettings(given.settings, show)
  const expected = expectedOf(readSite(given.out, show), settings)
  const dispatcher = new Agent({
    connect: { ...(given.ca && { ca: readAuthority(given.ca, show) }) },
  })
  const findings = await verify(expected, given.deadline, {
    visit: fetchThrough(dispatcher, terminal.elapsed),
    now: terminal.now,
    wait,
    buster: () => terminal.now().toString(36),
    progress: round => {
      for (const each of round.findings)
        terminal.note(`${round.seconds} s  ${each.code}  ${each.file}  ${each.message}`)
    },
  })
  await dispatcher.close()
  if (given.json) terminal.printJson({ findings, verified: expected.map(each => each.url) })
  else if (findings.length > 0) terminal.print(findingsReport(findings))
  else
    for (const { url, keys } of expected)
      terminal.print(`✓ ${url} has the ${keys.length} keys that were built`)
  if (findings.length > 0) terminal.fail(findings)
}

function expectedOf(site: Site, settings: Settings): Expected[] {
  return ENVIRONMENTS.flatMap(name => {
    const { path } = settings.environments[name]
    const text = site.get(path)
    if (text === undefined) return []
    const url = keySetUrl(settings.baseUrl, path)
    const { candidates } = openKeyFile(path, Buffer.from(text))
    return [{ url, text, keys: candidates.flatMap(each => toPublicKey(each, path).key ?? []) }]
  })
}

function readAuthority(file: string, show: (path: string) => string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new PipelineError(finding('file_unreadable', show(file), 'cannot be read'))
  }
}

function seconds(text: string): number {
  if (!/^\d{1,5}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number of seconds.')
  return Number(text)
}
