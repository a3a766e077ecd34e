import type { Upstream } from '../upstream/upstream.ts'

/** What one service may have at one upstream. */
export interface Grant {
  upstream: Upstream
  scopes: readonly string[]
}

/** Who may have what, as one config generation says. */
export interface Policy {
  /** SHA-256 of the config. */
  generation: string
  secretsOf: (service: string) => readonly string[] | undefined
  grantsOf: (service: string) => readonly Grant[]
  /** Every upstream there is, granted or not. */
  upstreams: readonly Upstream[]
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
    secretsOf: service => services.get(service)?.secretSha256,
    grantsOf: service => grants.get(service) ?? [],
    upstreams: [...upstreams.values()],
  }
}
