import { getDomain } from 'tldts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { Look } from '../../keys-pipeline/published.ts'
import { BrokerError, type ErrorCode, type Facts } from '../errors.ts'
import { isSafeUrl, sameBase } from '../urls.ts'

/** Whose authorization server is asked for. */
export interface Question {
  fhirBase: string
  /** Sent as `Epic-Client-ID`: endpoints can be overridden per client ID. Null where there is none yet. */
  clientId: string | null
  /** What our assertions are signed with. */
  alg: Alg
  /** Hosts that may have the token endpoint although they are on another registrable domain than the FHIR base. */
  accepted: readonly string[]
}

/** One bounded GET, as a stranger makes it: nothing followed, nothing judged. Header names in lower case. */
export type Visit = (url: string, headers: Readonly<Record<string, string>>) => Promise<Look>

/** What a FHIR server says of its authorization server. */
export interface Discovered {
  /** As it is sent: the assertion's `aud` is this text. */
  tokenEndpoint: string
  warnings: readonly WarningCode[]
  /** What it says of itself; null where it does not say. */
  said: {
    issuer: string | null
    authMethods: readonly string[] | null
    algs: readonly string[] | null
    grantTypes: readonly string[] | null
  }
}

/** What is odd but no reason to refuse: servers under-report what they can do. */
export const WARNINGS = {
  type_not_json: 'it is not served as JSON',
  token_endpoint_relative:
    'the token endpoint is relative; it was resolved against the FHIR base, as SMART allows',
  token_endpoint_rewritten: 'the token endpoint is written otherwise than it is sent',
  auth_method_unlisted: 'private_key_jwt is not among the authentication methods it lists',
  alg_unlisted: 'our algorithm is not among those it lists',
  grant_type_unlisted: 'client_credentials is not among the grant types it lists',
  other_domain: 'the token endpoint is on another registrable domain, which was accepted',
} as const

export type WarningCode = keyof typeof WARNINGS

/**
 * Where a FHIR base's token endpoint is, by its own word.
 *
 * Refused: `fhir_base_unusable`, `upstream_unreachable`, `upstream_timeout`, `upstream_tls_failed`,
 * `upstream_redirected`, `upstream_rate_limited`, `upstream_unavailable`, `upstream_not_json`, `discovery_not_found`,
 * `discovery_refused`, `discovery_malformed`, `discovery_other_domain`.
 *
 * @see SMART App Launch 2.2, "Using Well-Known"
 */
export async function discover(question: Question, visit: Visit): Promise<Discovered> {
  const discovered = await ask(question, visit)
  const host = new URL(discovered.tokenEndpoint).hostname
  if (isSameSite(host, new URL(question.fhirBase).hostname)) return discovered
  if (!question.accepted.includes(host)) throw new BrokerError('discovery_other_domain', { host })
  return { ...discovered, warnings: [...discovered.warnings, 'other_domain'] }
}

/** What is pinned, beside what the FHIR server says now. */
export type Comparison =
  | { state: 'same' }
  /** Never a reason to switch: whoever took over the FHIR server would get our assertions. */
  | { state: 'changed'; now: string }
  | { state: 'unknown'; error: BrokerError }

/** Whether the token endpoint in the config is still the one that the FHIR server names. Never throws for the far end. */
export async function compare(
  pinned: { fhirBase: string; tokenEndpoint: string; clientId: string; alg: Alg },
  visit: Visit,
): Promise<Comparison> {
  try {
    const { tokenEndpoint: now } = await ask({ ...pinned, accepted: [] }, visit)
    return now === pinned.tokenEndpoint ? { state: 'same' } : { state: 'changed', now }
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return { state: 'unknown', error }
  }
}

async function ask({ fhirBase, clientId, alg }: Question, visit: Visit): Promise<Discovered> {
  const base = usableBase(fhirBase)
  const look = await visit(`${base}/.well-known/smart-configuration`, {
    accept: 'application/json',
    ...(clientId !== null && { 'epic-client-id': clientId }),
  })
  const document = readDocument(look)
  const { tokenEndpoint, warnings } = endpointOf(document, base)
  const said = {
    issuer: textOf(document['issuer']),
    authMethods: listOf(document['token_endpoint_auth_methods_supported']),
    algs: listOf(document['token_endpoint_auth_signing_alg_values_supported']),
    grantTypes: listOf(document['grant_types_supported']),
  }
  const lacks = (list: readonly string[] | null, what: string) => list?.includes(what) === false
  const odd: [WarningCode, boolean][] = [
    ['type_not_json', !JSON_TYPE.test(look.headers['content-type'] ?? '')],
    ['auth_method_unlisted', lacks(said.authMethods, 'private_key_jwt')],
    ['alg_unlisted', lacks(said.algs, alg)],
    ['grant_type_unlisted', lacks(said.grantTypes, 'client_credentials')],
  ]
  const found = odd.filter(([, is]) => is).map(([code]) => code)
  return { tokenEndpoint, warnings: [...warnings, ...found], said }
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\b/i

/** The base without a slash at its end, which SMART has us add the well-known path to. */
function usableBase(fhirBase: string): string {
  const url = URL.canParse(fhirBase) ? new URL(fhirBase) : null
  const base = sameBase(fhirBase)
  const isPlain = url && isSafeUrl(url) && !`${url.username}${url.password}${url.search}${url.hash}`
  if (isPlain && base !== null) return base
  throw new BrokerError('fhir_base_unusable')
}

/** The answer, judged in order: the way there, status, JSON. fhir.epic.com answers 200 and a page for many paths. */
function readDocument({ failure, status, body }: Look): Readonly<Record<string, unknown>> {
  if (failure !== null) {
    const [code, facts] = FAILURES[failure]
    throw new BrokerError(code, facts)
  }
  if (status !== 200) throw new BrokerError(codeOf(status), { status })
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8').replace(/^\ufeff/, ''))
  } catch {
    throw new BrokerError('upstream_not_json', { status })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('body')
  return { ...value }
}

const FAILURES: Record<NonNullable<Look['failure']>, [ErrorCode, Facts]> = {
  name_not_found: ['upstream_unreachable', { reason: 'there is no such name' }],
  unreachable: ['upstream_unreachable', {}],
  timeout: ['upstream_timeout', {}],
  tls: ['upstream_tls_failed', {}],
  too_large: ['discovery_malformed', { member: 'body', reason: 'too large' }],
}

function codeOf(status: number): ErrorCode {
  if (status >= 300 && status < 400) return 'upstream_redirected'
  if (status === 404 || status === 410) return 'discovery_not_found'
  if (status === 429) return 'upstream_rate_limited'
  return status >= 500 ? 'upstream_unavailable' : 'discovery_refused'
}

/** Characters. A URL that is longer is none that anybody typed. */
const MOST_URL = 2048

function endpointOf(
  document: Readonly<Record<string, unknown>>,
  base: string,
): { tokenEndpoint: string; warnings: WarningCode[] } {
  const written = textOf(document['token_endpoint'])
  if (written === null || written.length > MOST_URL || !URL.canParse(written, `${base}/`))
    throw malformed('token_endpoint')
  const url = new URL(written, `${base}/`)
  const isPlain = !`${url.username}${url.password}${url.hash}`
  // http only beside a FHIR base on this machine: a server elsewhere must not send us to a port of ours.
  const isSafe = url.protocol === 'https:' || (isSafeUrl(url) && base.startsWith('http:'))
  if (!isPlain || !isSafe)
    throw malformed('token_endpoint', 'must be https, without user or fragment')
  const isAbsolute = URL.canParse(written)
  if (!isAbsolute) return { tokenEndpoint: url.href, warnings: ['token_endpoint_relative'] }
  const warnings: WarningCode[] = url.href === written ? [] : ['token_endpoint_rewritten']
  return { tokenEndpoint: url.href, warnings }
}

const malformed = (member: string, reason = 'missing or of a wrong form'): BrokerError =>
  new BrokerError('discovery_malformed', { member, reason })

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null

const listOf = (value: unknown): string[] | null =>
  Array.isArray(value) && value.every(each => typeof each === 'string') ? value : null

/**
 * Whether whoever runs one host runs the other, as far as names tell: one registrable domain by the Public Suffix
 * List, its private part included, where customers of a cloud are each other's strangers. Addresses and names without
 * a dot are alike only if they are the same.
 */
function isSameSite(one: string, other: string): boolean {
  const domainOf = (host: string) => getDomain(host, { allowPrivateDomains: true })
  const domain = domainOf(one)
  return domain === null ? one === other : domain === domainOf(other)
}
