import type { CallerAlg, CallerKey } from '../caller-keys.ts'

/** Where the keys of a caller come from: read with the config, or fetched from a URL. */
export type KeySource = { keys: readonly CallerKey[] } | KeyUrl

export interface KeyUrl {
  /** https. */
  url: string
  /** PEM of the authorities that are trusted there, in place of the system's. */
  ca: string | null
  /** A file with a bearer token to show there, read anew each time: Kubernetes replaces it. */
  tokenFile: string | null
}

/** The keys that a service signs its own assertions with. */
export interface KeyRule {
  algs: readonly CallerAlg[]
  keys: KeySource
}

/** Which workloads of an issuer are one service. `subject` and the claims are patterns. */
export interface WorkloadRule extends KeyRule {
  /** What `iss` must be; or `spiffe://` and a trust domain, for whatever has its subject there. */
  issuer: string
  audience: string
  subject: string
  claims: ReadonlyMap<string, string>
}

export interface CallerLimits {
  rateLimit: { perMinute: number; burst: number } | null
  /** Requests at once. */
  concurrency: number | null
}

/** How one service proves who it is, and how much it may ask. */
export interface CallerRules extends CallerLimits {
  /** SHA-256, hex. */
  secretSha256: readonly string[]
  keys: KeyRule | null
  workloads: readonly WorkloadRule[]
  /** Names in a client certificate: `DNS:host` or `URI:…`. */
  certificates: readonly string[]
}

/** How every service proves who it is, as one config generation says. */
export interface Access {
  /** Undefined where there is no such service. */
  rulesOf: (service: string) => CallerRules | undefined
  workloads: readonly (WorkloadRule & { service: string })[]
  /** The services that a name in a certificate stands for. */
  namedIn: (name: string) => string | undefined
  /** What the `aud` of a service's own assertion may be: our issuer, or our token endpoint. */
  audiences: readonly string[]
}

/** The callers of a checked config, ready to be asked. */
export function compileAccess(issuer: string, callers: ReadonlyMap<string, CallerRules>): Access {
  const all = [...callers]
  const names = new Map(
    all.flatMap(([service, { certificates }]) => certificates.map(name => [name, service])),
  )
  return {
    rulesOf: service => callers.get(service),
    workloads: all.flatMap(([service, { workloads }]) =>
      workloads.map(rule => ({ ...rule, service })),
    ),
    namedIn: name => names.get(name),
    audiences: [issuer, `${issuer}/oauth2/token`],
  }
}

/** What the metadata says of authentication. */
export interface Offered {
  methods: readonly string[]
  /** Algorithms of assertions; empty where none are taken. */
  algs: readonly CallerAlg[]
}

/**
 * The methods by which at least one service may authenticate. A workload's JWT goes on the wire as `private_key_jwt`
 * does, and has no name of its own.
 *
 * @see RFC 8414 §2 · RFC 8705 §2.1.1
 */
export function offeredBy(callers: Iterable<CallerRules>): Offered {
  const all = [...callers]
  const signed = all.flatMap(({ keys, workloads }) => [...(keys ? [keys] : []), ...workloads])
  const methods = [
    ...(all.some(each => each.secretSha256.length > 0)
      ? ['client_secret_basic', 'client_secret_post']
      : []),
    ...(signed.length > 0 ? ['private_key_jwt'] : []),
    ...(all.some(each => each.certificates.length > 0) ? ['tls_client_auth'] : []),
  ]
  return { methods, algs: [...new Set(signed.flatMap(each => each.algs))].sort() }
}
