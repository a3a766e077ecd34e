import { hash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Compile } from 'typebox/schema'
import { type Document, LineCounter, parseDocument } from 'yaml'
import type { Environment } from '../keys-pipeline/key-set.ts'
import type { CallerRules } from './access/access.ts'
import type { ServiceRules } from './access/policy.ts'
import { settleCallers } from './access-config.ts'
import { type AdminAddress, settleAdmin } from './admin-config.ts'
import { authoritiesFault, identityFault } from './certificates.ts'
import { type Complaint, crossCheck } from './config-rules.ts'
import { type ConfigFile, ConfigSchema } from './config-schema.ts'
import { PROFILES, type Profile } from './profiles.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A checked config. Paths are absolute, defaults are filled in, secrets are hashes. */
export interface Config {
  /** SHA-256 of the file, which the audit names. */
  generation: string
  /** When the file last changed, in milliseconds since the epoch. */
  changed: number
  issuer: string
  listen: {
    host: string
    port: number
    trustedProxies: readonly string[]
    /** `clientCa` is PEM: with it the listener asks for a client certificate. */
    tls: { cert: string; key: string; clientCa: string | null } | null
  }
  admin: AdminAddress
  audit: { file: string; fsync: boolean }
  keys: ReadonlyMap<Environment, KeySource>
  upstreams: ReadonlyMap<string, Upstream>
  services: ReadonlyMap<string, ServiceRules>
  /** How each service proves who it is. */
  callers: ReadonlyMap<string, CallerRules>
}

/** One environment's keys: the private halves, and where the public ones are published, if that is known. */
export interface KeySource {
  folder: string
  signWith: readonly string[]
  jwksUrl: string | null
}

/** Every complaint about a config at once; it ends the process with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  readonly code = 'config_invalid'
  readonly complaints: readonly (Complaint & { line: number | null })[]

  constructor(file: string, complaints: readonly (Complaint & { line: number | null })[]) {
    const lines = complaints.map(
      each => `  ${each.line === null ? '' : `line ${each.line}: `}${each.at} ${each.message}`,
    )
    super(
      `${file}: ${complaints.length} complaint${complaints.length === 1 ? '' : 's'}\n${lines.join('\n')}`,
    )
    this.name = 'ConfigError'
    this.complaints = complaints
  }
}

/** Seconds for one call to an EHR. Token endpoints answer in one or two; hospitals behind proxies take longer. */
const DEADLINE = 15

/** Calls to one EHR at once: each is another set of scopes, since callers of one set share a call. */
const CONCURRENCY = 4

const schema = Compile(ConfigSchema)

/**
 * The config file, checked against one schema and against itself. `inspect` adds what others find wrong with it (the
 * key folders, the audit file), so that it all comes at once.
 *
 * @throws ConfigError with every complaint
 */
export function readConfig(
  path: string,
  inspect: (config: Config) => Complaint[] = () => [],
): Config {
  let text: string
  let changed: number
  try {
    text = readFileSync(path, 'utf8')
    changed = statSync(path).mtimeMs
  } catch (error) {
    const message = `cannot be read (${(error as NodeJS.ErrnoException).code})`
    throw new ConfigError(path, [{ at: '/', message, line: null }])
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const refuse = (complaints: readonly Complaint[]): ConfigError =>
    new ConfigError(
      path,
      complaints.map(each => ({ ...each, line: lineOf(document, lines, each.at) })),
    )
  const opened = openFile(document)
  if (Array.isArray(opened)) throw refuse(opened)
  const version = { generation: hash('sha256', text, 'hex'), changed }
  const { config, complaints } = settle(opened, dirname(resolve(path)), version)
  const all = [...crossCheck(opened), ...complaints, ...inspect(config)]
  if (all.length > 0) throw refuse(all)
  return config
}

/** The file in its form, or what is wrong with that. */
function openFile(document: Document.Parsed): ConfigFile | Complaint[] {
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    return faults.map(fault => ({ at: '/', message: fault.message.split('\n')[0] ?? 'not YAML' }))
  }
  let value: unknown
  try {
    value = document.toJS()
  } catch {
    return [{ at: '/', message: 'has an alias that leads nowhere, or too many of them' }]
  }
  const [good, errors] = schema.Errors(value)
  if (good) return value as ConfigFile
  return errors
    .filter(error => error.keyword !== 'boolean')
    .flatMap(({ instancePath, keyword, params, message }) => {
      if (keyword === 'additionalProperties') {
        const { additionalProperties: names } = params as { additionalProperties: string[] }
        return names.map(name => ({
          at: `${instancePath}/${name}`,
          message: 'is not a setting, or not a name that may be used',
        }))
      }
      const { allowedValues } = params as { allowedValues?: string[] }
      return [
        {
          at: instancePath || '/',
          message: allowedValues ? `must be one of ${allowedValues.join(', ')}` : message,
        },
      ]
    })
}

/** Files that the config names are read here, so that a missing one is a complaint and not a crash later. */
function settle(
  file: ConfigFile,
  folder: string,
  version: { generation: string; changed: number },
): { config: Config; complaints: Complaint[] } {
  const complaints: Complaint[] = []
  const path = (given: string): string => resolve(folder, given)
  const read = (given: string, at: string): string | null => {
    try {
      return readFileSync(path(given), 'utf8')
    } catch (error) {
      complaints.push({
        at,
        message: `${path(given)} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      })
      return null
    }
  }
  const readAuthorities = (given: string, at: string): string => {
    const pem = read(given, at)
    const fault = pem === null ? null : authoritiesFault(pem)
    if (fault !== null) complaints.push({ at, message: `${path(given)} ${fault}` })
    return pem ?? ''
  }
  const readIdentity = (
    tls: { cert: string; key: string },
    at: string,
  ): { cert: string; key: string } => {
    const [cert, key] = [read(tls.cert, `${at}/cert`), read(tls.key, `${at}/key`)]
    const fault = cert === null || key === null ? null : identityFault(cert, key)
    if (fault !== null) complaints.push({ at, message: fault })
    return { cert: cert ?? '', key: key ?? '' }
  }
  const { listen, keys } = file
  const environments = Object.entries(keys) as [
    Environment,
    { folder: string; signWith?: string[]; jwksUrl?: string },
  ][]
  const upstreams = Object.entries(file.upstreams).map(([id, each]): [string, Upstream] => {
    const profileName = each.profile
    const profile: Profile = PROFILES[profileName]
    const { fhirBase, tokenEndpoint, clientId, environment, scopes } = each
    return [
      id,
      {
        ...{ id, fhirBase, tokenEndpoint, clientId, environment, scopes, profileName, profile },
        alg: each.alg ?? profile.alg,
        assertionAudience: each.assertionAudience ?? null,
        ca: each.ca === undefined ? null : readAuthorities(each.ca, `/upstreams/${id}/ca`),
        identity: each.clientCertificate
          ? readIdentity(each.clientCertificate, `/upstreams/${id}/clientCertificate`)
          : null,
        deadline: each.deadline ?? DEADLINE,
        concurrency: each.concurrency ?? CONCURRENCY,
        keepWarm: each.keepWarm ?? false,
      },
    ]
  })
  const config: Config = {
    ...version,
    issuer: file.issuer,
    listen: {
      host: listen.host ?? '127.0.0.1',
      port: listen.port,
      trustedProxies: listen.trustedProxies ?? [],
      tls: listen.tls
        ? {
            ...readIdentity(listen.tls, '/listen/tls'),
            clientCa:
              listen.tls.clientCa === undefined
                ? null
                : readAuthorities(listen.tls.clientCa, '/listen/tls/clientCa'),
          }
        : null,
    },
    admin: settleAdmin(file.admin, path, read, complaints),
    audit: { file: path(file.audit.file), fsync: file.audit.fsync ?? false },
    keys: new Map(
      environments.map(([name, each]) => [
        name,
        {
          folder: path(each.folder),
          signWith: each.signWith ?? [],
          jwksUrl: each.jwksUrl ?? null,
        },
      ]),
    ),
    upstreams: new Map(upstreams),
    services: new Map(Object.entries(file.services)),
    callers: settleCallers(file, { path, read, readAuthorities, complaints }),
  }
  return { config, complaints }
}

/** The line of a place in the file, or of the nearest thing above it that is there. */
function lineOf(document: Document.Parsed, lines: LineCounter, at: string): number | null {
  const keys = at
    .split('/')
    .slice(1)
    .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  for (let depth = keys.length; depth > 0; depth--) {
    const node = document.getIn(keys.slice(0, depth), true) as
      | { range?: [number, number, number] }
      | undefined
    if (node?.range) return lines.linePos(node.range[0]).line
  }
  return null
}
