import { type Command, Option } from 'commander'
import { orderDaemon } from '../admin-client.ts'
import type { FhirChecked } from '../check-fhir.ts'
import { type Config, readConfig } from '../config.ts'
import { BrokerError } from '../errors.ts'
import { readText } from '../files.ts'
import { checkReport, whyNot } from './fhir-report.ts'
import type { Terminal } from './terminal.ts'

interface Given {
  config: string
  write?: string
  json?: true
}

/** Bytes of a resource that is written. */
const MOST_BYTES = 1024 * 1024

/** `fhir`: what an EHR's FHIR server answers to a token of the running broker, which is never shown. */
export function fhirCommand(program: Command, terminal: Terminal): void {
  program
    .command('fhir')
    .description('have the running broker read a FHIR resource of one EHR, and explain a refusal')
    .argument('<upstream>', 'its id in the config')
    .argument('<path>', 'below its FHIR base: metadata, Patient/ID, Observation?patient=ID')
    .option('--config <file>', 'the config of the broker', 'broker.yaml')
    .addOption(
      new Option(
        '--write <file>',
        'send this resource: to a type it is added, at Type/ID it replaces',
      ),
    )
    .option('--json', 'one JSON document on standard output')
    .action((upstream: string, path: string, given: Given, command: Command) =>
      run({ upstream, path }, given, command, terminal),
    )
}

async function run(
  { upstream, path }: { upstream: string; path: string },
  given: Given,
  command: Command,
  terminal: Terminal,
): Promise<void> {
  const config = readConfig(terminal.path(given.config))
  if (!config.upstreams.has(upstream))
    return command.error(`error: ${unknown(given.config, config)}`, { exitCode: 2 })
  const writing = given.write !== undefined && {
    method: path.includes('/') ? ('PUT' as const) : ('POST' as const),
    resource: resourceIn(terminal.path(given.write)),
  }
  const order = { upstream, method: 'GET' as const, path, ...writing }
  const checked = (await orderDaemon(config.admin, '/fhir', order)) as FhirChecked
  if (given.json) terminal.printJson({ ...checked, why: whyNot(checked) })
  else terminal.print(checkReport(checked))
  if (checked.status >= 400) terminal.fail()
}

const unknown = (file: string, { upstreams }: Config): string =>
  `${file} has no such upstream. It has: ${[...upstreams.keys()].slice(0, 20).join(', ')}`

function resourceIn(file: string): object {
  const text = readText(file, MOST_BYTES)
  try {
    const value: unknown = JSON.parse(text)
    if (typeof Object(value).resourceType === 'string') return value as object
  } catch {
    // Falls through to the refusal, which quotes nothing of it.
  }
  throw new BrokerError('file_unreadable', { file, reason: 'not a FHIR resource in JSON' })
}
