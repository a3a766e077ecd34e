import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { Look } from '../../keys-pipeline/published.ts'
import type { BrokerError } from '../errors.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Facts, FhirAnswer, KeyFacts, OtherUpstream, SetSeen, TokenOutcome } from './facts.ts'
import { type Past, pastOf } from './past.ts'
import { holdsKey, seeSet } from './see-set.ts'

/** One bounded GET, no redirect followed; never throws for what the far end does. `ca`: PEM, null for the system's. */
export type Visit = (
  url: string,
  headers: Readonly<Record<string, string>>,
  ca: string | null,
) => Promise<Look>

/** What the config and the broker know, and how to look at the rest. */
export interface Surroundings {
  upstreams: ReadonlyMap<string, Upstream>
  /** URL of each environment's key set, where the config names it. */
  setUrls: ReadonlyMap<Environment, string>
  /** Milliseconds since the epoch; null where nobody knows. */
  configChanged: number | null
  assertion: Facts['assertion']
  keyOf: (upstream: Upstream) => KeyFacts | null
  past: (upstream: string) => Past
  visit: Visit
  /** Milliseconds since the epoch. */
  now: () => number
}

/**
 * The facts about one upstream, from looks that run side by side: our key set and that of the other environment, as a
 * stranger sees them, and the EHR's SMART configuration. The token endpoint itself is asked only where it is at
 * another origin, for its clock. Nothing that is fetched here is ever acted upon.
 */
export async function gatherFacts(
  upstream: Upstream,
  token: TokenOutcome,
  around: Surroundings,
  fhir: Facts['fhir'] = { metadata: null, patient: null },
): Promise<Facts> {
  const { now, assertion, configChanged, past } = around
  const key = around.keyOf(upstream)
  const [set, isInOtherSet, ehr] = await Promise.all([
    lookAtSet(upstream.environment, key, around),
    lookAtOtherSet(upstream.environment, key, around),
    lookAtEhr(upstream, around),
  ])
  return {
    ...{ upstream, token, key, set, isInOtherSet, assertion, fhir, ...ehr },
    past: pastOf(past(upstream.id), now()),
    configAge: configChanged === null ? null : since(configChanged, now()),
    others: othersOf(upstream, around),
  }
}

const since = (moment: number, now: number): number => Math.max(0, (now - moment) / 1000)

/** What the exchange threw, or null where it did not. */
export function outcomeOf(error: BrokerError | null): TokenOutcome {
  if (error === null) return { outcome: 'granted' }
  const { status, reason } = error.facts
  return {
    outcome: 'refused',
    code: error.code,
    status: typeof status === 'number' ? status : null,
    reason: typeof reason === 'string' ? reason : null,
  }
}

const SET_HEADERS = { accept: 'application/json', 'user-agent': 'lockstep' }

async function lookAtSet(
  environment: Environment,
  key: KeyFacts | null,
  { setUrls, visit, now }: Surroundings,
): Promise<SetSeen> {
  const url = setUrls.get(environment)
  if (url === undefined) return { state: 'no_url' }
  return seeSet(await visit(url, SET_HEADERS, null), key, now())
}

async function lookAtOtherSet(
  environment: Environment,
  key: KeyFacts | null,
  { setUrls, visit }: Surroundings,
): Promise<boolean | null> {
  const url = setUrls.get(environment === 'production' ? 'nonprod' : 'production')
  if (url === undefined || key === null) return null
  return holdsKey(await visit(url, SET_HEADERS, null), key)
}

type Ehr = Pick<Facts, 'skew' | 'namedEndpoint' | 'hasGateway'>

async function lookAtEhr(upstream: Upstream, around: Surroundings): Promise<Ehr> {
  const { fhirBase, tokenEndpoint, clientId, ca } = upstream
  const url = `${fhirBase.replace(/\/$/, '')}/.well-known/smart-configuration`
  // Epic may name other endpoints to one client than to another, and wants to be told which it is.
  const headers = { accept: 'application/json', 'epic-client-id': clientId }
  const isElsewhere = new URL(url).origin !== new URL(tokenEndpoint).origin
  const [configuration, endpoint] = await Promise.all([
    visitAt(url, headers, ca, around),
    isElsewhere ? visitAt(tokenEndpoint, { accept: 'application/json' }, ca, around) : null,
  ])
  const judged = endpoint ?? configuration
  return {
    skew: judged.skew,
    hasGateway: judged.look.headers['via'] !== undefined,
    namedEndpoint: endpointIn(configuration.look, fhirBase),
  }
}

async function visitAt(
  url: string,
  headers: Readonly<Record<string, string>>,
  ca: string | null,
  { visit, now }: Surroundings,
): Promise<{ look: Look; skew: number | null }> {
  const began = now()
  const look = await visit(url, headers, ca)
  const date = Date.parse(look.headers['date'] ?? '')
  // Against the middle of the call; a Date has whole seconds. @see RFC 9110 §6.6.1
  const skew = Math.round((date + 500 - (began + look.took / 2)) / 1000)
  return { look, skew: Number.isNaN(skew) ? null : skew }
}

/** As a URL writes it, so that it may be shown; null where the document does not have it. */
function endpointIn({ status, body }: Look, fhirBase: string): string | null {
  if (status !== 200) return null
  try {
    const { token_endpoint: named } = JSON.parse(body.toString('utf8'))
    const url = typeof named === 'string' ? new URL(named, `${fhirBase}/`) : null
    return url !== null && url.href.length <= MOST_URL ? url.href : null
  } catch {
    return null
  }
}

/** Characters. */
const MOST_URL = 500

const othersOf = (upstream: Upstream, { upstreams, past }: Surroundings): OtherUpstream[] =>
  [...upstreams.values()]
    .filter(({ id }) => id !== upstream.id)
    .map(({ id, clientId, environment, tokenEndpoint }) => {
      const { lastSuccess, firstTry, failures, acceptedKid } = past(id)
      const works = firstTry === null ? null : lastSuccess !== null && failures === 0
      return { id, clientId, environment, tokenEndpoint, works, kid: acceptedKid }
    })

/** /metadata, and a Patient where one is named: the status of each, and nothing of what they say. */
export async function askFhir(
  upstream: Upstream,
  token: { accessToken: string } | null,
  patient: string | null,
  { visit }: Pick<Surroundings, 'visit'>,
): Promise<Facts['fhir']> {
  const { fhirBase, clientId, ca } = upstream
  const base = fhirBase.replace(/\/$/, '')
  const headers = { accept: 'application/fhir+json', 'epic-client-id': clientId }
  const metadata = answerOf(await visit(`${base}/metadata`, headers, ca))
  if (token === null || patient === null) return { metadata, patient: null }
  const authorization = `Bearer ${token.accessToken}`
  const url = `${base}/Patient/${encodeURIComponent(patient)}`
  return { metadata, patient: answerOf(await visit(url, { ...headers, authorization }, ca)) }
}

function answerOf({ status, headers }: Look): FhirAnswer {
  const lacksScope = /\binsufficient_scope\b/.test(headers['www-authenticate'] ?? '')
  return { status, lacks: status !== 403 ? null : lacksScope ? 'scope' : 'user' }
}
