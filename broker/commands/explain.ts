import { type Command, CommanderError } from 'commander'
import { shown } from '../../keys-pipeline/errors.ts'
import { compileAccess } from '../access/access.ts'
import { authorise, type Tolerated } from '../access/authorise.ts'
import { compilePolicy } from '../access/policy.ts'
import { readConfig } from '../config.ts'
import { openConfigFiles } from '../config-files.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'
import type { Terminal } from './terminal.ts'

interface ExplainOptions {
  config: string
  service: string
  upstream?: string
  resource?: string
  scope?: string
  json?: true
}

/** `explain`: what policy would say, and which line of the config says so. */
export function explainCommand(program: Command, terminal: Terminal): void {
  program
    .command('explain')
    .description('whether a service may have a token, and which line of the config says so')
    .option('--config <file>', 'the config of the broker', 'broker.yaml')
    .requiredOption('--service <id>', 'the service that would ask')
    .option('--upstream <id>', 'audience: the id of an upstream')
    .option('--resource <url>', 'in its place the FHIR base URL')
    .option('--scope <scopes>', 'what it would ask for; without it, all that it has been granted')
    .option('--json', 'one JSON document on standard output')
    .action((given: ExplainOptions) => explain(given, terminal))
}

interface Answer {
  allowed: boolean
  /** Why not: the code that the audit would have. */
  code: ErrorCode | null
  /** What it would have been refused with, were its policy enforced. */
  tolerated: Tolerated
  upstream: string | null
  /** What the EHR would be asked for. */
  scopes: readonly string[]
  /** Where the config says so. */
  file: string
  line: number | null
}

function explain(given: ExplainOptions, terminal: Terminal): void {
  const path = terminal.path(given.config)
  const config = readConfig(path)
  const rules = config.services.get(given.service)
  if (rules === undefined)
    throw new CommanderError(2, 'usage', `error: there is no service ${shown(given.service)}`)
  const { generation, services, upstreams, disabled, issuer, callers } = config
  const access = compileAccess(issuer, callers)
  const policy = compilePolicy(generation, services, upstreams, access, disabled)
  const decided = decide(given, policy)
  const [at] = rules.grants.find(each => each.upstream === decided.upstream)?.lines ?? []
  const pointer = `/services/${given.service}/grants${at === undefined ? '' : `/${at}`}`
  const files = openConfigFiles(path)
  const placed = Array.isArray(files) ? null : files.place({ at: pointer, message: '' })
  const answer: Answer = {
    ...decided,
    ...{ file: terminal.show(placed?.file ?? path), line: placed?.line ?? null },
  }
  if (given.json) terminal.printJson(answer)
  else terminal.print(sentence(given, answer))
  if (!answer.allowed) terminal.fail()
}

function decide(
  { service, upstream, resource, scope }: ExplainOptions,
  { grantsOf, upstreams, disabledOf }: ReturnType<typeof compilePolicy>,
): Pick<Answer, 'allowed' | 'code' | 'tolerated' | 'upstream' | 'scopes'> {
  const ask = { resources: resource === undefined ? [] : [resource], audience: upstream, scope }
  try {
    const found = authorise(grantsOf(service), ask, upstreams, disabledOf(service))
    const { grant, scopes, tolerated } = found
    return { allowed: true, code: null, tolerated, upstream: grant.upstream.id, scopes }
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    const { code } = error
    return { allowed: false, code, tolerated: null, upstream: upstream ?? null, scopes: [] }
  }
}

function sentence(
  { service }: ExplainOptions,
  { allowed, code, tolerated, upstream, scopes, file, line }: Answer,
): string {
  const where = `${file}${line === null ? '' : ` line ${line}`}`
  if (!allowed) return `✗ no: ${code}\n  ${shown(service)}’s grants: ${where}`
  return [
    `✓ yes: ${shown(service)} may have a token of ${upstream}`,
    ...(tolerated === null
      ? []
      : [`  though ${tolerated} is recorded, and refused once its mode is enforce`]),
    `  the EHR is asked for ${scopes.join(' ')}`,
    `  by ${where}`,
  ].join('\n')
}
