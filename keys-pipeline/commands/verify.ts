import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { readSite } from '../built-site.ts'
import { openFetch } from '../published.ts'
import { readAuthority } from '../read.ts'
import { findingsReport } from '../report.ts'
import { readSettings } from '../settings.ts'
import { expectedOf, verify } from '../verify.ts'
import { secondsIn } from './option-values.ts'
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
      new Option('--deadline <seconds>', 'how long to ask')
        .default(1200)
        .argParser(secondsIn(0, 99_999)),
    )
    .option('--ca <file>', 'PEM of an authority to trust in place of the system’s', terminal.path)
    .addOption(options.json())
    .action((given: VerifyOptions) => run(given, terminal))
}

async function run(given: VerifyOptions, terminal: Terminal): Promise<void> {
  const { show } = terminal
  const settings = readSettings(given.settings, show)
  const expected = expectedOf(readSite(given.out, show), settings)
  const ca = given.ca && readAuthority(given.ca, show)
  const { visit, close } = openFetch(ca, terminal.elapsed)
  const findings = await verify(expected, given.deadline, {
    visit,
    now: terminal.now,
    wait,
    buster: () => terminal.now().toString(36),
    progress: round => {
      for (const each of round.findings)
        terminal.note(`${round.seconds} s  ${each.code}  ${each.file}  ${each.message}`)
    },
  })
  await close()
  if (given.json) terminal.printJson({ findings, verified: expected.map(each => each.url) })
  else if (findings.length > 0) terminal.print(findingsReport(findings))
  else
    for (const { url, keys } of expected)
      terminal.print(`✓ ${url} has the ${keys.length} keys that were built`)
  if (findings.length > 0) terminal.fail(findings)
}
