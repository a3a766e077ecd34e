import { secretHash } from '../../broker/access/secrets.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import type { Chance } from './chance.ts'
import type { RawConfig, Right, Wish } from './second-policy.ts'

export const SERVICES = 200
export const UPSTREAMS = 500
const REGIONS = 11

const PALETTE = [
  ...['system/Patient.read', 'system/Patient.rs', 'system/Observation.rs', 'system/Task.cruds'],
  ...['system/Observation.rs?category=laboratory', 'system/Coverage.r', 'system/Claim.write'],
  'system/Observation.rs?category=vital-signs',
] as const
const FULL = [...PALETTE, 'system/*.rs']
/** What some EHRs grant unasked. */
const EXTRA = 'system/Binary.read'
const WRONG = ['system/Patient.read  system/Task.r', 'system/Patient.cr\u0000', ' ', 'patient']

const serviceOf = (at: number): string => `service-${at}`
const upstreamOf = (at: number): string => `ehr-${at}`
const secretOf = (service: string): string => `secret-of-${service}-that-nobody-else-has`

const someOf = <T>(chance: Chance, all: readonly T[], most: number): T[] => [
  ...new Set(Array.from({ length: 1 + chance.below(most) }, () => chance.pick(all))),
]

const isEpic = (at: number): boolean => at % 3 === 0

/** A whole config, chosen at random within the rules of configs. `origin` is where all EHRs answer. */
export function randomConfig(chance: Chance, origin: string): ConfigFile & RawConfig {
  const lists = new Map<string, string[]>()
  const upstreams: (ConfigFile & RawConfig)['upstreams'] = {}
  for (let at = 0; at < UPSTREAMS; at++) {
    const tenant = at % 5 === 1 ? at - 1 : at
    // Five upstreams share a client ID of Epic's, and so one list; every other has its own.
    const clientId = isEpic(at) ? `epic-app-${Math.floor(at / 15)}` : `app-${at}`
    // Those of one tier are all that a group of upstreams is granted at.
    const tier = isEpic(at) ? 'epic' : at % 4 === 0 ? 'part' : 'full'
    const scopes = lists.get(clientId) ?? (tier === 'full' ? [...FULL] : someOf(chance, PALETTE, 4))
    lists.set(clientId, scopes)
    const isOff = chance.percent(3)
    upstreams[upstreamOf(at)] = {
      ...{ fhirBase: `https://h${tenant}.example.com/FHIR/R4`, clientId, scopes },
      tokenEndpoint: `${origin}/tenant-${tenant}/token`,
      environment: 'nonprod',
      profile: isEpic(at) ? 'epic' : 'smart',
      alg: 'ES384',
      labels: { region: `r${at % REGIONS}`, tier, app: clientId },
      ...(isOff && { enabled: false, reason: 'drawn' }),
    }
  }
  const services = Object.fromEntries(
    Array.from({ length: SERVICES }, (_, at) => [
      serviceOf(at),
      randomService(chance, at, upstreams),
    ]),
  )
  return {
    issuer: 'http://127.0.0.1:8400',
    listen: { port: 0 },
    audit: { file: 'audit.ndjson' },
    keys: { nonprod: { folder: 'private' } },
    ...{ upstreams, services },
  } as ConfigFile & RawConfig
}

function randomService(chance: Chance, at: number, upstreams: ConfigFile['upstreams']) {
  const named = someOf(chance, Object.keys(upstreams), 6)
  const epic = upstreams[upstreamOf(3 * chance.below(UPSTREAMS / 3))]
  return {
    secretSha256: [secretHash(secretOf(serviceOf(at)))],
    grants: [
      ...named.map(upstream => ({ upstream, scopes: scopesAt(chance, upstreams[upstream]) })),
      ...(chance.percent(40)
        ? [
            {
              labels: { region: `r${chance.below(REGIONS)}`, tier: 'full' },
              scopes: someOf(chance, PALETTE, 3),
            },
          ]
        : []),
      ...(chance.percent(20) && epic
        ? [{ labels: { app: epic.clientId }, scopes: [...epic.scopes] }]
        : []),
    ],
  }
}

/** Within what the upstream has; where the app fixes the scopes, all of it. */
const scopesAt = (chance: Chance, upstream: ConfigFile['upstreams'][string] | undefined) =>
  upstream?.profile === 'smart' ? someOf(chance, upstream.scopes, 3) : [...(upstream?.scopes ?? [])]

/** The next config: other grants of some services, other upstreams switched off. */
export function changed(chance: Chance, before: ConfigFile & RawConfig): ConfigFile & RawConfig {
  const next = structuredClone(before)
  for (let times = 0; times < 20; times++) {
    const at = chance.below(SERVICES)
    Object.assign(next.services, { [serviceOf(at)]: randomService(chance, at, next.upstreams) })
    const upstream = next.upstreams[upstreamOf(chance.below(UPSTREAMS))]
    if (!upstream) continue
    if (upstream.enabled === false) {
      delete upstream.enabled
      delete (upstream as { reason?: string }).reason
    } else if (chance.percent(20)) Object.assign(upstream, { enabled: false, reason: 'drawn' })
  }
  return next
}

/** What a service might ask, more often of what it has than of what it has not. `wrongSecrets` is of a hundred. */
export function randomWish(
  chance: Chance,
  { upstreams, services }: RawConfig,
  wrongSecrets = 2,
): Wish {
  const client = chance.percent(1)
    ? `nobody-${chance.below(1e6)}`
    : serviceOf(chance.below(SERVICES))
  const lines = services[client]?.grants ?? []
  const line = lines.length > 0 ? chance.pick(lines) : undefined
  const granted = line?.upstream ?? upstreamOf(chance.below(UPSTREAMS))
  const id = chance.percent(75) ? granted : upstreamOf(chance.below(UPSTREAMS + 5))
  const base = upstreams[id]?.fhirBase ?? 'https://nowhere.example.com'
  const way = chance.below(10)
  const scopes = chance.percent(60) && line ? line.scopes : PALETTE
  return {
    client,
    secret: chance.percent(wrongSecrets) ? secretOf('another') : secretOf(client),
    audience: way < 6 ? id : undefined,
    resources: way < 3 || way === 9 ? [] : [chance.percent(20) ? `${base}/` : base],
    scope: chance.percent(40)
      ? undefined
      : chance.percent(3)
        ? chance.pick(WRONG)
        : someOf(chance, scopes, 3).reverse().join(' '),
  }
}

/** An access token of the fake EHRs says what it is good for. */
export interface Grants {
  tokenEndpoint: string
  clientId: string
  scopes: string
}

/** Whether that app is granted more than it asks. */
export const isGenerous = (clientId: string): boolean => /^app-\d*7$/.test(clientId)

/** What the EHR grants: Epic's the app's whole list whatever is asked; some others more than was asked. */
export function grantedBy(
  config: RawConfig,
  tokenEndpoint: string,
  clientId: string,
  asked: string,
) {
  const app = Object.values(config.upstreams as ConfigFile['upstreams']).find(
    each => each.clientId === clientId,
  )
  const scopes =
    app?.profile === 'epic'
      ? app.scopes.join(' ')
      : isGenerous(clientId)
        ? `${asked} ${EXTRA}`
        : asked
  const grants: Grants = { tokenEndpoint, clientId, scopes }
  return { token: Buffer.from(JSON.stringify(grants)).toString('base64url'), scopes }
}

/** The client ID that an assertion speaks for. */
export const clientIn = (assertion: string): string =>
  JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()).iss

/** What is wrong with an answer by the second policy; null where nothing is. A refusal has its code in place of a token. */
export function faultIn(
  right: Right | null,
  answer: { token: string } | { code: string },
): string | null {
  if ('code' in answer) {
    if (right === null) return null
    const isExcess = isGenerous(right.clientId) && !right.isGranted(EXTRA)
    return answer.code === 'scope_exceeds_grant' && isExcess ? null : `refused: ${answer.code}`
  }
  const grants = JSON.parse(Buffer.from(answer.token, 'base64url').toString()) as Grants
  if (right === null) return 'given, and nothing is granted'
  if (grants.tokenEndpoint !== right.tokenEndpoint) return 'given of another tenant'
  if (grants.clientId !== right.clientId) return 'given of another client ID'
  return right.isGranted(grants.scopes) ? null : 'given with more scopes than are granted'
}
