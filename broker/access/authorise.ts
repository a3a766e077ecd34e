import { BrokerError } from '../errors.ts'
import { coverage, parseScopeList } from '../scopes.ts'
import { askable, type Grant } from './policy.ts'

/** What a service asks for. */
export interface Ask {
  /** FHIR base URLs (RFC 8707). */
  resources: readonly string[]
  /** An upstream's id. */
  audience: string | undefined
  scope: string | undefined
}

type Target = Pick<Grant['upstream'], 'id' | 'fhirBase'>

/** What it gets: the grant, and the scopes to ask the EHR for. */
export interface Authorised {
  grant: Grant
  scopes: readonly string[]
}

/**
 * The grant that answers the ask, or the rule that says no. Pure; decided anew on every request, before any cache.
 *
 * Refused: `target_missing`, `target_several`, `target_ambiguous`, `upstream_unknown` and `upstream_not_granted` (the
 * same from outside), `scope_malformed`, `scope_not_granted`.
 */
export function authorise(
  grants: readonly Grant[],
  ask: Ask,
  upstreams: readonly Target[],
): Authorised {
  const grant = pick(grants, ask, upstreams)
  if (ask.scope === undefined) return { grant, scopes: askable(grant, grant.scopes) }
  const covered = coverage(grant.scopes)
  const scopes = parseScopeList(ask.scope)
  if (scopes === null) throw new BrokerError('scope_malformed')
  if (!scopes.every(covered)) throw new BrokerError('scope_not_granted')
  return { grant, scopes: askable(grant, scopes) }
}

/** What the EHR granted must lie within the grant: EHRs may give more than was asked. Refused: `scope_exceeds_grant`. */
export function refuseExcess({ upstream, scopes }: Grant, granted: string): void {
  const covered = coverage(scopes)
  const beyond = granted.split(' ').filter(scope => !covered(scope))
  if (beyond.length === 0) return
  throw new BrokerError('scope_exceeds_grant', {
    upstream: upstream.id,
    beyond: beyond.join(' ').slice(0, 500),
  })
}

function pick(grants: readonly Grant[], ask: Ask, upstreams: readonly Target[]): Grant {
  const { resources, audience } = ask
  if (resources.length > 1) throw new BrokerError('target_several')
  if (resources.length === 0 && audience === undefined) {
    const [only, ...others] = grants
    if (only && others.length === 0) return only
    throw new BrokerError(only ? 'target_missing' : 'upstream_not_granted')
  }
  const [grant, ...others] = grants.filter(({ upstream }) => isTarget(upstream, ask))
  if (grant && others.length === 0) return grant
  if (grant) throw new BrokerError('target_ambiguous')
  throw new BrokerError(
    upstreams.some(each => isTarget(each, ask)) ? 'upstream_not_granted' : 'upstream_unknown',
  )
}

/** Whether an upstream is the one that is asked for. */
function isTarget(
  upstream: { id: string; fhirBase: string },
  { resources, audience }: Ask,
): boolean {
  const [resource] = resources
  if (audience !== undefined && audience !== upstream.id) return false
  return resource === undefined || sameBase(resource) === sameBase(upstream.fhirBase)
}

/** A URL after normalisation, without one slash at the end. */
export function sameBase(url: string): string | null {
  return URL.canParse(url) ? new URL(url).href.replace(/\/$/, '') : null
}
