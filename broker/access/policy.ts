import type { UpstreamGrant } from '../grants.ts'
import type { DisabledUpstream, Upstream } from '../upstream/upstream.ts'
import type { Access } from './access.ts'

/** What one service may have at one upstream. */
export interface Grant {
  upstream: Upstream
  scopes: readonly string[]
  mode: PolicyMode
}

/**
 * `enforce`: what goes beyond a grant's scopes is refused. `audit`, for a roll-out: it is let through as far as the
 * upstream's own list goes, and recorded. An upstream without a grant is refused in either.
 */
export type PolicyMode = 'enforce' | 'audit'

/** How an upstream is asked for. */
export type Target = Pick<Upstream, 'id' | 'fhirBase'>

/** Who may have what, as one config generation says. */
export interface Policy {
  /** SHA-256 of the config. */
  generation: string
  /** How services prove who they are. */
  access: Access
  grantsOf: (service: string) => readonly Grant[]
  /** What it was granted at upstreams that are switched off. */
  disabledOf: (service: string) => readonly DisabledUpstream[]
  /** Every upstream there is, granted or not, switched off or not. */
  upstreams: readonly Target[]
}

export interface ServiceRules {
  grants: readonly UpstreamGrant[]
  mode: PolicyMode
}

/** The services and upstreams of a checked config, ready to be asked. */
export function compilePolicy(
  generation: string,
  services: ReadonlyMap<string, ServiceRules>,
  upstreams: ReadonlyMap<string, Upstream>,
  access: Access,
  disabled: ReadonlyMap<string, DisabledUpstream> = new Map(),
): Policy {
  const grants = new Map(
    [...services].map(([id, rules]) => [
      id,
      rules.grants.flatMap(({ upstream: name, scopes }) => {
        const upstream = upstreams.get(name)
        return upstream ? [{ upstream, scopes, mode: rules.mode }] : []
      }),
    ]),
  )
  const off = new Map(
    [...services].map(([id, rules]) => [
      id,
      rules.grants.flatMap(({ upstream }) => disabled.get(upstream) ?? []),
    ]),
  )
  return {
    generation,
    access,
    grantsOf: service => grants.get(service) ?? [],
    disabledOf: service => off.get(service) ?? [],
    upstreams: [...upstreams.values(), ...disabled.values()],
  }
}

/** What is to be kept warm: per upstream that says so, the scopes that a service gets which asks for none. */
export function warmlyWanted(
  { grantsOf }: Policy,
  services: Iterable<string>,
): { upstream: Upstream; scopes: readonly string[] }[] {
  return [...services]
    .flatMap(service => grantsOf(service))
    .filter(({ upstream }) => upstream.keepWarm)
    .map(grant => ({ upstream: grant.upstream, scopes: askable(grant, grant.scopes) }))
}

/** Where the app fixes the scopes, whatever is asked, all are asked: one token serves everyone who may have it. */
export const askable = ({ upstream }: Grant, scopes: readonly string[]): readonly string[] =>
  upstream.profile.scopes === 'fixed-by-app' ? upstream.scopes : scopes
