import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { overlap, patternFault } from './patterns.ts'

type ServiceFile = ConfigFile['services'][string]
type WorkloadFile = NonNullable<ServiceFile['workloads']>[number]
type KeysFile = Pick<
  NonNullable<ConfigFile['workloadIssuers']>[string],
  'jwksFile' | 'jwksUri' | 'ca' | 'tokenFile'
>

/** What one schema cannot say of how services prove who they are. Pure. */
export function accessRules(config: ConfigFile): Complaint[] {
  return [
    ...Object.entries(config.workloadIssuers ?? {}).flatMap(([id, issuer]) =>
      keysRules(`/workloadIssuers/${id}`, issuer),
    ),
    ...twoIssuers(config),
    ...Object.entries(config.services).flatMap(([id, service]) =>
      serviceRules(`/services/${id}`, service, config),
    ),
    ...twoServices(config),
    ...twoNames(config),
  ]
}

function keysRules(at: string, { jwksFile, jwksUri, ca, tokenFile }: KeysFile): Complaint[] {
  const complaints: Complaint[] = []
  const complain = (place: string, message: string): number =>
    complaints.push({ at: `${at}${place}`, message })
  if (jwksFile === undefined && jwksUri === undefined) complain('', 'needs jwksFile or jwksUri')
  if (jwksFile !== undefined && jwksUri !== undefined) complain('/jwksFile', 'excludes jwksUri')
  if (jwksUri !== undefined && !isHttps(jwksUri))
    complain('/jwksUri', 'must be an https URL without user or fragment')
  if (jwksUri === undefined && ca !== undefined) complain('/ca', 'goes with jwksUri')
  if (jwksUri === undefined && tokenFile !== undefined) complain('/tokenFile', 'goes with jwksUri')
  return complaints
}

function isHttps(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url?.protocol === 'https:' && !url.hash && !url.username && !url.password
}

function serviceRules(at: string, service: ServiceFile, config: ConfigFile): Complaint[] {
  const { secretSha256, keys, workloads = [], certificate } = service
  const complaints: Complaint[] = []
  const complain = (place: string, message: string): number =>
    complaints.push({ at: `${at}${place}`, message })
  if (!secretSha256 && !keys && workloads.length === 0 && !certificate)
    complain('', 'has no way to authenticate: secretSha256, keys, workloads or certificate')
  if (certificate && !config.listen.tls?.clientCa)
    complain('/certificate', 'needs listen.tls.clientCa')
  if (certificate && (certificate.dns === undefined) === (certificate.uri === undefined))
    complain('/certificate', 'must have either dns or uri')
  return [
    ...complaints,
    ...(keys ? keysRules(`${at}/keys`, keys) : []),
    ...workloads.flatMap((rule, index) => workloadRules(`${at}/workloads/${index}`, rule, config)),
  ]
}

/** Anybody may have tokens of this issuer, so that the owner must stand in the rule. */
const GITHUB = 'https://token.actions.githubusercontent.com'
const OWNED = /^repo:[^*/]+\//
const OWNERS = ['repository', 'repository_id', 'repository_owner', 'repository_owner_id']

function workloadRules(at: string, rule: WorkloadFile, config: ConfigFile): Complaint[] {
  const { issuer, subject, claims = {} } = rule
  const complaints: Complaint[] = []
  const known = issuerOf(issuer, config)
  if (known === undefined)
    complaints.push({ at: `${at}/issuer`, message: `${issuer} is not one of workloadIssuers` })
  for (const [place, pattern] of [
    ['subject', subject] as const,
    ...Object.entries(claims).map(([name, each]) => [`claims/${pointer(name)}`, each] as const),
  ]) {
    const fault = patternFault(pattern)
    if (fault !== null) complaints.push({ at: `${at}/${place}`, message: fault })
  }
  const isOwned = OWNED.test(subject) || OWNERS.some(name => claims[name]?.includes('*') === false)
  if (known === GITHUB && !isOwned)
    complaints.push({
      at: `${at}/subject`,
      message: 'must begin with repo:OWNER/, or claims must have a repository or its owner',
    })
  if (known?.startsWith('spiffe://') && !subject.startsWith(`${known}/`))
    complaints.push({ at: `${at}/subject`, message: `must begin with ${known}/` })
  return complaints
}

/** As a JSON pointer has it. */
const pointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

function issuerOf(id: string, { workloadIssuers = {} }: ConfigFile): string | undefined {
  return Object.hasOwn(workloadIssuers, id) ? workloadIssuers[id]?.issuer : undefined
}

/** Two keys for one issuer would let either sign for the other. */
function twoIssuers({ workloadIssuers = {} }: ConfigFile): Complaint[] {
  const entries = Object.entries(workloadIssuers)
  return entries.flatMap(([id, { issuer }], index) => {
    const first = entries.slice(0, index).find(([, other]) => other.issuer === issuer)
    return first
      ? [{ at: `/workloadIssuers/${id}/issuer`, message: `is that of ${first[0]} already` }]
      : []
  })
}

/** A token must mean one service, and be held to the keys of one issuer. */
function twoServices(config: ConfigFile): Complaint[] {
  const rules = Object.entries(config.services).flatMap(([service, { workloads = [] }]) =>
    workloads.map((rule, index) => ({
      service,
      rule,
      at: `/services/${service}/workloads/${index}`,
    })),
  )
  return rules.flatMap(({ service, rule, at }, index) => {
    const clash = rules
      .slice(0, index)
      .find(
        other =>
          (other.service !== service || other.rule.issuer !== rule.issuer) &&
          couldBeBoth(rule, other.rule, config),
      )
    return clash ? [{ at, message: `could mean the same token as one of ${clash.service}` }] : []
  })
}

function couldBeBoth(one: WorkloadFile, other: WorkloadFile, config: ConfigFile): boolean {
  const audienceOf = ({ audience }: WorkloadFile): string => audience ?? config.issuer
  if (audienceOf(one) !== audienceOf(other) || !overlap(one.subject, other.subject)) return false
  // A JWT-SVID may have an issuer besides its trust domain.
  const isDomain = ({ issuer }: WorkloadFile): boolean =>
    issuerOf(issuer, config)?.startsWith('spiffe://') === true
  if (one.issuer !== other.issuer && !isDomain(one) && !isDomain(other)) return false
  const shared = Object.entries(one.claims ?? {}).filter(([name]) =>
    Object.hasOwn(other.claims ?? {}, name),
  )
  return shared.every(([name, pattern]) => overlap(pattern, other.claims?.[name] ?? ''))
}

function twoNames({ services }: ConfigFile): Complaint[] {
  const entries = Object.entries(services).filter(([, { certificate }]) => certificate)
  return entries.flatMap(([id, { certificate }], index) => {
    const clash = entries
      .slice(0, index)
      .find(
        ([, other]) =>
          other.certificate?.dns === certificate?.dns &&
          other.certificate?.uri === certificate?.uri,
      )
    return clash
      ? [{ at: `/services/${id}/certificate`, message: `is that of ${clash[0]} already` }]
      : []
  })
}
