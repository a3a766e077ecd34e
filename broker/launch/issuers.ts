import type { JSONWebKeySet } from 'jose'
import { type Clock, remaining, type Span } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { LaunchTarget } from '../launch-config.ts'
import type { Visit } from '../upstream/discovery.ts'
import { isSafeUrl } from '../urls.ts'
import type { Issuer } from './answer.ts'

interface Ports {
  clock: Clock
  /** One bounded GET, as this upstream is reached. */
  visitBy: (target: LaunchTarget) => Visit
}

/** What EHRs say of themselves as OpenID Connect issuers. Refused: `issuer_unavailable`, `issuer_differs`. */
export interface Issuers {
  of: (target: LaunchTarget) => Promise<Issuer>
  /** Its keys; `isAnew` where those that are held do not have the one that is wanted. */
  keysOf: (target: LaunchTarget, isAnew: boolean) => Promise<JSONWebKeySet>
  /** Its smart-configuration, as it is now. */
  saysOfItself: (target: LaunchTarget) => Promise<Readonly<Record<string, unknown>>>
}

/** Milliseconds for which what was found counts. */
const KEPT = 60 * 60 * 1000
/** Milliseconds between two fetches of keys for a kid that nobody has. */
const PAUSE = 30_000

interface Found {
  since: Span
  issuer: Issuer
  keys: { since: Span; set: JSONWebKeySet } | null
}

/**
 * Discovered anew each hour: the numbers in Epic's key URLs change. The FHIR server names the issuer (its base is in
 * the config), and the issuer must call itself the same; a config that names an issuer is believed before both.
 *
 * @see SMART App Launch 2.2, "Using Well-Known" · OpenID Connect Discovery §4.3
 */
export function openIssuers({ clock, visitBy }: Ports): Issuers {
  const found = new Map<string, Found>()
  const isKept = ({ since, for: span }: Span): boolean => remaining(since, span, clock()) > 0
  const find = async (target: LaunchTarget): Promise<Found> => {
    const name = JSON.stringify([target.upstream.fhirBase, target.upstream.clientId, target.issuer])
    const known = found.get(name)
    if (known && isKept(known.since)) return known
    const issuer = await discoverIssuer(target, visitBy(target))
    const made: Found = { since: { since: clock(), for: KEPT }, issuer, keys: null }
    found.set(name, made)
    return made
  }
  return {
    of: async target => (await find(target)).issuer,
    saysOfItself: target => readSmart(target, visitBy(target)),
    keysOf: async (target, isAnew) => {
      const known = await find(target)
      const held = known.keys
      const mayWait = held && remaining(held.since.since, isAnew ? PAUSE : KEPT, clock()) > 0
      if (held && mayWait) return held.set
      const set = await readObject(visitBy(target), known.issuer.jwksUri, target)
      if (!isKeySet(set)) throw unavailable(target, 'the key set is none')
      known.keys = { since: { since: clock(), for: KEPT }, set }
      return set
    },
  }
}

async function discoverIssuer(target: LaunchTarget, visit: Visit): Promise<Issuer> {
  const smart = await readSmart(target, visit)
  const named = target.issuer ?? textOf(smart['issuer'])
  if (named === null || !isUsable(named)) throw unavailable(target, 'no issuer is named')
  const own = await readObject(
    visit,
    `${named.replace(/\/$/, '')}/.well-known/openid-configuration`,
    target,
  ).catch(() => null)
  if (own !== null && own['issuer'] !== named)
    throw new BrokerError('issuer_differs', { upstream: target.upstream.id })
  const jwksUri = textOf(own?.['jwks_uri']) ?? textOf(smart['jwks_uri'])
  if (jwksUri === null || !isUsable(jwksUri)) throw unavailable(target, 'no jwks_uri is named')
  const sendsIss = own?.['authorization_response_iss_parameter_supported'] === true
  return { issuer: named, jwksUri, sendsIss }
}

function readSmart(target: LaunchTarget, visit: Visit) {
  const { fhirBase, clientId } = target.upstream
  const url = `${fhirBase.replace(/\/$/, '')}/.well-known/smart-configuration`
  return readObject(visit, url, target, { 'epic-client-id': clientId })
}

async function readObject(
  visit: Visit,
  url: string,
  target: LaunchTarget,
  more: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { failure, status, body } = await visit(url, { accept: 'application/json', ...more })
  if (failure !== null) throw unavailable(target, failure)
  if (status !== 200) throw unavailable(target, `status ${status}`)
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    throw unavailable(target, 'not JSON')
  }
  throw unavailable(target, 'not an object')
}

const unavailable = ({ upstream }: LaunchTarget, reason: string): BrokerError =>
  new BrokerError('issuer_unavailable', { upstream: upstream.id, reason })

const isUsable = (text: string): boolean => URL.canParse(text) && isSafeUrl(new URL(text))

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const isKeySet = (value: object): value is JSONWebKeySet =>
  'keys' in value &&
  Array.isArray(value.keys) &&
  value.keys.every(key => typeof key === 'object' && key !== null)
