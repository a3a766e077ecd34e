import type { DisabledUpstream, Upstream } from '../upstream/upstream.ts'

/** What one service may have at one upstream. */
export interface Grant {
  upstream: Upstream
  scopes: readonly string[]
}

/** How an upstream is asked for. */
export type Target = Pick<Upstream, 'id' | 'fhirBase'>

/** Who may have what, as one config generation says. */
export interface Policy {
  /** SHA-256 of the config. */
  generation: string
  secretsOf: (service: string) => readonly string[] | undefined
  grantsOf: (service: string) => readonly Grant[]
  /** What it was granted at upstreams that are switched off. */
  disabledOf: (service: string) => readonly DisabledUpstream[]
  /** Every upstream there is, granted or not, switched off or not. */
  upstreams: readonly Target[]
}

export interface ServiceRules {
  secretSha256: readonly string[]
  grants: readonly { upstream: string; scopes: readonly string[] }[]
}

/** The services and upstreams of a checked config, ready to be asked. */
export function compilePolicy(
  generation: string,
  services: ReadonlyMap<string, ServiceRules>,
  upstreams: ReadonlyMap<string, Upstream>,
  disabled: ReadonlyMap<string, DisabledUpstream> = new Map(),
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
  const off = new Map(
    [...services].map(([id, rules]) => [
      id,
      rules.grants.flatMap(({ upstream }) => disabled.get(upstream) ?? []),
    ]),
  )
  return {
    generation,
    secretsOf: service => services.get(service)?.secretSha256,
    grantsOf: service => grants.get(service) ?? [],
    disabledOf: service => off.get(service) ?? [],
    upstreams: [...upstreams.values(), ...disabled.values()],
  }
}
