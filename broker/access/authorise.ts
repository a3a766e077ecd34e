import { BrokerError } from '../errors.ts'
import { coverage, parseScopeList } from '../scopes.ts'
import { sameBase } from '../urls.ts'
import { askable, type Grant, type Target } from './policy.ts'

/** What a service asks for. */
export interface Ask {
  /** FHIR base URLs (RFC 8707). */
  resources: readonly string[]
  /** An upstream's id. */
  audience: string | undefined
  scope: string | undefined
}

/** What it gets: the grant, and the scopes to ask the EHR for. */
export interface Authorised {
  grant: Grant
  scopes: readonly string[]
  tolerated: Tolerated
}

/** What would have been refused, were the service's policy enforced. */
export type Tolerated = 'scope_not_granted' | 'scope_exceeds_grant' | null

/**
 * The grant that answers the ask, or the rule that says no. Pure; decided anew on every request, before any cache.
 * `disabled` are the upstreams of the service's grants that are switched off. They take part in what the ask means:
 * whether one is on or off never makes the same request mean another.
 *
 * Refused: `target_missing`, `target_several`, `target_ambiguous`, `upstream_unknown` and `upstream_not_granted` (the
 * same from outside), `upstream_disabled`, `scope_malformed`, `scope_not_granted`.
 */
export function authorise(
  grants: readonly Grant[],
  ask: Ask,
  upstreams: readonly Target[],
  disabled: readonly Target[] = [],
): Authorised {
  const target = pick([...grants.map(each => each.upstream), ...disabled], ask, upstreams)
  const grant = grants.find(({ upstream }) => upstream.id === target.id)
  if (!grant) throw new BrokerError('upstream_disabled', { upstream: target.id })
  if (ask.scope === undefined)
    return { grant, scopes: askable(grant, grant.scopes), tolerated: null }
  const scopes = parseScopeList(ask.scope)
  if (scopes === null) throw new BrokerError('scope_malformed')
  const { refused, tolerated } = beyondGrant(grant, scopes)
  if (refused.length > 0) throw new BrokerError('scope_not_granted')
  return {
    ...{ grant, scopes: askable(grant, scopes) },
    tolerated: tolerated.length > 0 ? 'scope_not_granted' : null,
  }
}

/** What was let through last by each grant: an EHR mostly grants the same again. */
const WITHIN = new WeakMap<Grant, { granted: string; tolerated: Tolerated }>()

/**
 * What the EHR granted must lie within the grant: EHRs may give more than was asked. Returns what is let through all
 * the same. Refused: `scope_exceeds_grant`.
 */
export function refuseExcess(grant: Grant, granted: string): Tolerated {
  const last = WITHIN.get(grant)
  if (last?.granted === granted) return last.tolerated
  const tolerated = judgeExcess(grant, granted)
  WITHIN.set(grant, { granted, tolerated })
  return tolerated
}

function judgeExcess(grant: Grant, granted: string): Tolerated {
  const { refused, tolerated } = beyondGrant(grant, granted.split(' '))
  if (refused.length === 0) return tolerated.length > 0 ? 'scope_exceeds_grant' : null
  throw new BrokerError('scope_exceeds_grant', {
    upstream: grant.upstream.id,
    beyond: refused.join(' ').slice(0, 500),
  })
}

/** The scopes that go beyond a grant, by what its mode does with them. */
function beyondGrant({ upstream, scopes, mode }: Grant, asked: readonly string[]) {
  const covered = coverage(scopes)
  const beyond = asked.filter(scope => !covered(scope))
  if (mode === 'enforce') return { refused: beyond, tolerated: [] }
  const isDeclared = coverage(upstream.scopes)
  return {
    refused: beyond.filter(scope => !isDeclared(scope)),
    tolerated: beyond.filter(isDeclared),
  }
}

function pick(granted: readonly Target[], ask: Ask, upstreams: readonly Target[]): Target {
  const { resources, audience } = ask
  if (resources.length > 1) throw new BrokerError('target_several')
  if (resources.length === 0 && audience === undefined) {
    const [only, ...others] = granted
    if (only && others.length === 0) return only
    throw new BrokerError(only ? 'target_missing' : 'upstream_not_granted')
  }
  const isTarget = targetOf(ask)
  const [found, ...others] = granted.filter(isTarget)
  if (found && others.length === 0) return found
  if (found) throw new BrokerError('target_ambiguous')
  throw new BrokerError(upstreams.some(isTarget) ? 'upstream_not_granted' : 'upstream_unknown')
}

/** Whether an upstream is the one that is asked for. */
function targetOf({ resources, audience }: Ask): (upstream: Target) => boolean {
  const [resource] = resources
  const base = resource === undefined ? undefined : sameBase(resource)
  return upstream =>
    (audience === undefined || audience === upstream.id) &&
    (base === undefined || base === baseOf(upstream))
}

/** Parsed once: a request that fits nothing is compared with every upstream there is. */
const BASES = new WeakMap<Target, string | null>()

function baseOf(upstream: Target): string | null {
  const known = BASES.get(upstream)
  if (known !== undefined) return known
  const base = sameBase(upstream.fhirBase)
  BASES.set(upstream, base)
  return base
}
