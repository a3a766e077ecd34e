import type { Upstream } from '../upstream/upstream.ts'
import type { Access } from './access.ts'

/** What one service may have at one upstream. */
export interface Grant {
  upstream: Upstream
  scopes: readonly string[]
}

/** Who may have what, as one config generation says. */
export interface Policy {
  /** SHA-256 of the config. */
  generation: string
  /** How services prove who they are. */
  access: Access
  grantsOf: (service: string) => readonly Grant[]
  /** Every upstream there is, granted or not. */
  upstreams: readonly Upstream[]
}

export interface ServiceRules {
  grants: readonly { upstream: string; scopes: readonly string[] }[]
}

/** The services and upstreams of a checked config, ready to be asked. */
export function compilePolicy(
  generation: string,
  services: ReadonlyMap<string, ServiceRules>,
  upstreams: ReadonlyMap<string, Upstream>,
  access: Access,
): Policy {
  const grants = new Map(
    [...services].map(([id, rules]) => [
      id,
      rules.grants.flatMap(({ upstream: name, scopes }) => {
        const upstream = upstreams.get(name)
        return upstream ? [{ upstream, scopes }] : []
      }),
    ]),
  )
  return {
    generation,
    access,
    grantsOf: service => grants.get(service) ?? [],
    upstreams: [...upstreams.values()],
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
    .map(({ upstream, scopes }) => ({ upstream, scopes: askable({ upstream, scopes }, scopes) }))
}

/** Where the app fixes the scopes, whatever is asked, all are asked: one token serves everyone who may have it. */
export const askable = ({ upstream }: Grant, scopes: readonly string[]): readonly string[] =>
  upstream.profile.scopes === 'fixed-by-app' ? upstream.scopes : scopes
