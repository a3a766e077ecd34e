import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { ConfigError, readConfigWith } from '../config.ts'
import type { Examined } from '../diagnosis/examine.ts'
import { examineUpstream } from '../examine-upstream.ts'
import { loadSigners, type Signers } from '../signers.ts'
import { diagnosisReport, isHealthy } from './diagnose-report.ts'
import type { Terminal } from './terminal.ts'

interface DiagnoseOptions {
  config: string
  token: boolean
  patient?: string
  json?: true
}

/** `diagnose`: why one EHR says no, without a running broker. */
export function diagnoseCommand(program: Command, terminal: Terminal): void {
  program
    .command('diagnose')
    .description(
      'ask one EHR for a token, and say why it says no: the likely causes and their fixes',
    )
    .argument('<upstream>', 'its id in the config')
    .option('--config <file>', 'the config of the broker', 'broker.yaml')
    .option('--no-token', 'only look, without asking for a token')
    .option('--patient <id>', 'read this Patient with the token; its status is shown, and no data')
    .option('--json', 'one JSON document on standard output')
    .action((id: string, options: DiagnoseOptions, command: Command) =>
      run(id, options, command, terminal),
    )
}

async function run(
  id: string,
  { config: file, token, patient, json }: DiagnoseOptions,
  command: Command,
  terminal: Terminal,
): Promise<void> {
  const opened = await open(file, terminal)
  if (opened === null) return
  const { config, signers } = opened
  const upstream = config.upstreams.get(id)
  if (upstream === undefined) {
    const known = [...config.upstreams.keys()].slice(0, 20).join(', ')
    return command.error(`error: ${file} has no such upstream. It has: ${known}`, { exitCode: 2 })
  }
  const at = new Date(systemClock().wall).toISOString()
  const examined = await examineUpstream(
    upstream,
    config,
    { clock: systemClock, signers },
    { asksToken: token, patient: patient ?? null, progress: step => terminal.note(`${step} …`) },
  )
  const { facts, causes } = examined
  if (json) terminal.printJson(document(examined, at))
  else terminal.print(diagnosisReport(facts, causes, at))
  if (!isHealthy(facts, causes)) terminal.fail()
}

async function open(file: string, { path, note, fail }: Terminal) {
  let signers: Signers = new Map()
  try {
    const config = await readConfigWith(path(file), async candidate => {
      const loaded = await loadSigners(candidate)
      signers = loaded.signers
      return loaded.complaints
    })
    return { config, signers }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    note(error.message)
    fail()
    return null
  }
}

/** What may be shown: of the upstream its names, never the PEM of its authorities. */
function document({ facts, causes }: Examined, at: string): object {
  const { upstream, others, key, ...seen } = facts
  const { id, clientId, environment, profileName, tokenEndpoint, fhirBase } = upstream
  return {
    upstream: { id, clientId, environment, profile: profileName, tokenEndpoint, fhirBase },
    at,
    healthy: isHealthy(facts, causes),
    causes,
    seen: {
      ...seen,
      key: key === null ? null : { kid: key.kid, alg: key.alg, thumbprint: key.thumbprint },
      others: others.map(each => ({ id: each.id, clientId: each.clientId, works: each.works })),
    },
  }
}
