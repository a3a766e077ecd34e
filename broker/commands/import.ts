import { relative } from 'node:path'
import type { Command } from 'commander'
import { shown } from '../../keys-pipeline/errors.ts'
import { importBundle } from '../catalogue/import.ts'
import type { Outcome } from '../catalogue/progress.ts'
import { planJson, planReport } from '../catalogue/report.ts'
import { ConfigError } from '../config.ts'
import { BrokerError } from '../errors.ts'
import { PROFILES } from '../profiles.ts'
import { type Discovered, discover, WARNINGS, type WarningCode } from '../upstream/discovery.ts'
import { openVisits, type Visits } from '../upstream/discovery-fetch.ts'
import { type AskOptions, authoritiesIn, optionsIn, type UpstreamOptions } from './options.ts'
import { type Terminal, told } from './terminal.ts'

interface ImportOptions extends AskOptions, UpstreamOptions {
  clientId: string
  out: string
  again?: true
  dryRun?: true
  removeGone?: true
}

/** `import`: a list of hospitals becomes a folder of upstreams, again and again, and what was changed by hand stays. */
export function importCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('import')
    .description(
      'make upstreams of a FHIR R4 Bundle of Endpoints, such as Epic’s public list; each is asked for its token endpoint',
    )
    .argument('<bundle>', 'the Bundle, JSON', terminal.path)
    .addOption(options.clientId().makeOptionMandatory())
    .addOption(options.environment().makeOptionMandatory())
    .addOption(options.profile().makeOptionMandatory())
    .addOption(options.scopes().makeOptionMandatory())
    .requiredOption('--out <folder>', 'the config’s upstreamFolder', terminal.path)
    .option('--dry-run', 'ask and show the difference, and write nothing')
    .option('--again', 'ask those too that have answered before')
    .option(
      '--remove-gone',
      'remove the files of hospitals that the list has no longer, unless changed by hand',
    )
    .addOption(
      options.accept(
        'a host that may be asked though it is private, or have a token endpoint though it is of another domain; repeatable',
      ),
    )
    .addOption(options.ca())
    .addOption(options.deadline())
    .addOption(options.json())
    .action(async (bundle: string, given: ImportOptions) => {
      const visits = openVisits(terminal.elapsed)
      try {
        await run(bundle, given, visits, terminal)
      } finally {
        await visits.close()
      }
    })
}

async function run(
  bundle: string,
  given: ImportOptions,
  visits: Visits,
  { print, printJson, note }: Terminal,
): Promise<void> {
  const { clientId, environment, profile, scopes, accept: accepted = [], out: folder, json } = given
  const { dryRun = false, again = false, removeGone = false } = given
  const visit = visits.visitBy({ ca: authoritiesIn(given), deadline: given.deadline })
  const { alg } = PROFILES[profile]
  const imported = await importBundle(
    {
      ...{ bundle, folder, accepted, again, dryRun, removeGone },
      given: {
        ...{ clientId, environment, profile, scopes: [...scopes] },
        // Paths in an upstream's file are relative to it.
        ...(given.ca !== undefined && { ca: relative(folder, given.ca) }),
      },
    },
    {
      ask: async fhirBase => {
        const [outcome, warnings] = await settled(
          discover({ fhirBase, clientId, alg, accepted }, visit),
        )
        for (const code of warnings) note(shown(`${fhirBase}: ${WARNINGS[code]} (${code})`))
        return outcome
      },
      asked: (done, all, { names }, outcome) =>
        note(shown(`${done}/${all} ${names[0]}: ${'cause' in outcome ? outcome.cause : 'found'}`)),
      show: plan => {
        if (!json) print(planReport(plan, dryRun))
      },
    },
  )
  if ('complaints' in imported) throw new ConfigError(folder, imported.complaints)
  if (json) printJson(planJson(imported.plan))
}

/** Characters. As many as a reason may have in the config. */
const MOST_CAUSE = 1000

async function settled(
  discovering: Promise<Discovered>,
): Promise<[Outcome, readonly WarningCode[]]> {
  try {
    const { tokenEndpoint, warnings } = await discovering
    return [{ tokenEndpoint }, warnings]
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code === 'internal') throw error
    return [{ cause: told(error).slice(0, MOST_CAUSE) }, []]
  }
}
