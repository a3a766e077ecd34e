import { type Command, CommanderError } from 'commander'
import { stringify } from 'yaml'
import { shown } from '../../keys-pipeline/errors.ts'
import { freeId } from '../catalogue/ids.ts'
import { readConfig } from '../config.ts'
import { inParallel } from '../in-parallel.ts'
import { PROFILES } from '../profiles.ts'
import {
  type Comparison,
  compare,
  type Discovered,
  discover,
  WARNINGS,
} from '../upstream/discovery.ts'
import { openVisits, type Visits } from '../upstream/discovery-fetch.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type AskOptions, authoritiesIn, optionsIn, type UpstreamOptions } from './options.ts'
import { type Terminal, told } from './terminal.ts'

interface DiscoverOptions extends AskOptions, UpstreamOptions {
  config?: string
}

/** EHRs asked at once. */
const AT_ONCE = 4

/** `discover`: where an EHR's token endpoint is, by its own word; or whether those in a config are still there. */
export function discoverCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('discover')
    .description(
      'ask a FHIR server for its token endpoint and print the lines for the config; with --config, compare those that are there',
    )
    .argument('[fhir-base]', 'FHIR base URL')
    .option(
      '--config <file>',
      'compare every upstream of this config with what it says now',
      terminal.path,
    )
    .addOption(options.clientId())
    .addOption(options.accept('accept a token endpoint on this host of another domain; repeatable'))
    .addOption(options.environment().default('nonprod'))
    .addOption(options.profile().default('smart'))
    .addOption(options.scopes().default(['system/Patient.read'], 'system/Patient.read'))
    .addOption(options.ca())
    .addOption(options.deadline())
    .addOption(options.json())
    .action(async (fhirBase: string | undefined, given: DiscoverOptions) => {
      if ((fhirBase === undefined) === (given.config === undefined))
        throw new CommanderError(2, 'usage', 'error: name a FHIR base, or a config by --config')
      const visits = openVisits(terminal.elapsed)
      try {
        if (fhirBase !== undefined) await discoverOne(fhirBase, given, visits, terminal)
        else if (given.config !== undefined) await compareAll(given.config, given, visits, terminal)
      } finally {
        await visits.close()
      }
    })
}

async function discoverOne(
  fhirBase: string,
  given: DiscoverOptions,
  visits: Visits,
  terminal: Terminal,
): Promise<void> {
  const { clientId = null, accept: accepted = [], deadline } = given
  const { alg } = PROFILES[given.profile]
  const found = await discover(
    { fhirBase, clientId, alg, accepted },
    visits.visitBy({ ca: authoritiesIn(given), deadline }),
  )
  if (given.json) return terminal.printJson({ fhirBase, ...found })
  terminal.note(seenReport(fhirBase, found))
  terminal.print(pasteLines(fhirBase, found, given))
}

function seenReport(fhirBase: string, { tokenEndpoint, warnings, said }: Discovered): string {
  const list = (all: readonly string[] | null) => all?.join(' ') ?? 'not said'
  const lines = [
    `${fhirBase} says:`,
    `  token endpoint  ${tokenEndpoint}`,
    `  issuer          ${said.issuer ?? 'not said'}`,
    `  authentication  ${list(said.authMethods)}`,
    `  algorithms      ${list(said.algs)}`,
    `  grant types     ${list(said.grantTypes)}`,
    ...warnings.map(code => `  odd             ${WARNINGS[code]} (${code})`),
  ]
  return lines.map(shown).join('\n')
}

/** What stands under `upstreams` in the config. */
function pasteLines(
  fhirBase: string,
  { tokenEndpoint }: Discovered,
  { clientId = 'REPLACE-WITH-YOUR-CLIENT-ID', ca, environment, profile, scopes }: DiscoverOptions,
): string {
  const id = freeId([new URL(fhirBase).hostname], () => false)
  const upstream = {
    ...{ fhirBase, tokenEndpoint, clientId, environment, profile, scopes },
    ...(ca !== undefined && { ca }),
  }
  return stringify({ upstreams: { [id]: upstream } }, { lineWidth: 0 }).trimEnd()
}

async function compareAll(
  file: string,
  { deadline, json }: DiscoverOptions,
  visits: Visits,
  terminal: Terminal,
): Promise<void> {
  const config = readConfig(file)
  const all = [...config.upstreams.values()]
  let asked = 0
  const compared = await inParallel(AT_ONCE, all, async (upstream): Promise<Compared> => {
    const comparison = await compare(upstream, visits.visitBy({ ca: upstream.ca, deadline }))
    terminal.note(`${++asked}/${all.length} ${upstream.id}: ${comparison.state}`)
    return { upstream, comparison }
  })
  if (json) terminal.printJson({ upstreams: compared.map(asJson), disabled: config.disabled.size })
  else terminal.print(comparisonReport(compared, config.disabled.size))
  if (compared.some(each => each.comparison.state !== 'same')) terminal.fail()
}

interface Compared {
  upstream: Upstream
  comparison: Comparison
}

function asJson({ upstream: { id, fhirBase, tokenEndpoint }, comparison }: Compared) {
  const { state } = comparison
  const now = state === 'changed' ? comparison.now : null
  const code = state === 'unknown' ? comparison.error.code : null
  return { id, fhirBase, tokenEndpoint, state, now, code }
}

function comparisonReport(compared: readonly Compared[], disabled: number): string {
  const same = compared.filter(each => each.comparison.state === 'same').length
  return [
    ...compared.flatMap(({ upstream: { id, tokenEndpoint }, comparison }) => {
      if (comparison.state === 'same') return []
      const what =
        comparison.state === 'changed'
          ? `pinned is ${tokenEndpoint}\n${' '.repeat(9)}it says ${comparison.now}`
          : told(comparison.error)
      return [`${comparison.state.padEnd(8)} ${id}: ${what}`]
    }),
    `${same} of ${compared.length} say what is pinned${disabled > 0 ? `; ${disabled} are switched off and were not asked` : ''}`,
  ].join('\n')
}
