import type { CallerRules, KeyRule, KeySource, WorkloadRule } from './access/access.ts'
import { holdsPrivate, readCallerKeys, USUAL_ALGS } from './caller-keys.ts'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'

/** How files are read that the config names, and where to complain of what is in them. */
export interface Files {
  /** A path that stands at that place, made absolute. */
  pathAt: (at: string, given: string) => string
  read: (given: string, at: string) => string | null
  readAuthorities: (given: string, at: string) => string
  complaints: Complaint[]
}

type ServiceFile = ConfigFile['services'][string]
type IssuerFile = NonNullable<ConfigFile['workloadIssuers']>[string]
type KeysFile = Pick<IssuerFile, 'jwksFile' | 'jwksUri' | 'ca' | 'tokenFile' | 'algs'>

/** How each service proves who it is, as the config has it. Complains of key files that are no good. */
export function settleCallers(file: ConfigFile, files: Files): Map<string, CallerRules> {
  const issuers = new Map(
    Object.entries(file.workloadIssuers ?? {}).map(([id, each]) => [
      id,
      { issuer: each.issuer, ...keyRule(each, `/workloadIssuers/${id}`, files) },
    ]),
  )
  const workloadsOf = ({ workloads = [] }: ServiceFile): WorkloadRule[] =>
    workloads.flatMap(({ issuer: id, audience = file.issuer, subject, claims = {} }) => {
      const issuer = issuers.get(id)
      return issuer
        ? [{ ...issuer, audience, subject, claims: new Map(Object.entries(claims)) }]
        : []
    })
  return new Map(
    Object.entries(file.services).map(([id, service]) => [
      id,
      {
        secretSha256: service.secretSha256 ?? [],
        keys: service.keys ? keyRule(service.keys, `/services/${id}/keys`, files) : null,
        workloads: workloadsOf(service),
        certificates: namesOf(service),
        rateLimit: rateOf(service),
        concurrency: service.concurrency ?? null,
      },
    ]),
  )
}

const keyRule = (file: KeysFile, at: string, files: Files): KeyRule => ({
  algs: file.algs ?? USUAL_ALGS,
  keys: sourceOf(file, at, files),
})

function sourceOf(
  { jwksFile, jwksUri, ca, tokenFile }: KeysFile,
  at: string,
  files: Files,
): KeySource {
  if (jwksFile !== undefined) return { keys: keysIn(jwksFile, `${at}/jwksFile`, files) }
  return {
    url: jwksUri ?? '',
    ca: ca === undefined ? null : files.readAuthorities(ca, `${at}/ca`),
    tokenFile: tokenFile === undefined ? null : files.pathAt(`${at}/tokenFile`, tokenFile),
  }
}

function keysIn(given: string, at: string, { pathAt, read, complaints }: Files) {
  const text = read(given, at)
  if (text === null) return []
  const keys = readCallerKeys(text) ?? []
  const fault = holdsPrivate(text)
    ? 'holds a private key, which the service alone should have'
    : 'holds no key set with a public key that may sign'
  if (keys.length === 0 || holdsPrivate(text))
    complaints.push({ at, message: `${pathAt(at, given)} ${fault}` })
  return keys
}

function namesOf({ certificate }: ServiceFile): string[] {
  const { dns, uri } = certificate ?? {}
  return [
    ...(dns === undefined ? [] : [`DNS:${dns}`]),
    ...(uri === undefined ? [] : [`URI:${uri}`]),
  ]
}

const rateOf = ({ rateLimit }: ServiceFile): CallerRules['rateLimit'] =>
  rateLimit ? { burst: rateLimit.perMinute, ...rateLimit } : null
