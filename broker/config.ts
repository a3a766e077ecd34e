import { readFileSync, statSync } from 'node:fs'
import { dirname, join, parse, relative } from 'node:path'
import type { Environment } from '../keys-pipeline/key-set.ts'
import type { CallerRules } from './access/access.ts'
import type { ServiceRules } from './access/policy.ts'
import { settleCallers } from './access-config.ts'
import { type AdminAddress, settleAdmin } from './admin-config.ts'
import { authoritiesFault, identityFault } from './certificates.ts'
import { type ConfigFiles, openConfigFiles } from './config-files.ts'
import { type Complaint, crossCheck, isOn } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import type { Placed } from './config-source.ts'
import { isPrivate } from './files.ts'
import { expandGrants } from './grants.ts'
import { type KeySource, settleKeys } from './keys-config.ts'
import { type LaunchConfig, settleLaunch } from './launch-config.ts'
import { type Listen, settleListen } from './listen-config.ts'
import { type MetricsAddress, settleMetrics } from './metrics-config.ts'
import { PROFILES, type Profile } from './profiles.ts'
import { type RotationConfig, settleRotation } from './rotation-config.ts'
import { readSharedCache, type SharedCache } from './shared-cache-config.ts'
import { settleTraces, type TracesConfig } from './traces-config.ts'
import type { DisabledUpstream, Upstream } from './upstream/upstream.ts'

/** A checked config. Paths are absolute, defaults are filled in, secrets are hashes. */
export interface Config {
  /** SHA-256 of the file, or of all files where upstreams have files of their own; the audit names it. */
  generation: string
  /** When the file last changed, in milliseconds since the epoch. */
  changed: number
  issuer: string
  listen: Listen
  admin: AdminAddress
  /** What an operator may have the broker do at FHIR servers; null for nothing. */
  fhirCheck: 'read' | 'write' | null
  audit: { file: string; fsync: boolean }
  keys: ReadonlyMap<Environment, KeySource>
  /** Folder of what was seen and signed, which survives a restart. */
  state: string
  upstreams: ReadonlyMap<string, Upstream>
  disabled: ReadonlyMap<string, DisabledUpstream>
  services: ReadonlyMap<string, ServiceRules>
  /** How each service proves who it is. */
  callers: ReadonlyMap<string, CallerRules>
  /** How keys are replaced. */
  rotation: RotationConfig
  sharedCache: SharedCache | null
  traces: TracesConfig | null
  /** The listener for metrics alone, where there is one. */
  metrics: MetricsAddress | null
  /** Where users log in to EHRs; null where nobody may. */
  launch: LaunchConfig | null
  /** Files and folders that it was made from, absolute: another config may come of a change to one of them. */
  sources: readonly string[]
}

/** Every complaint about a config at once; it ends the process with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  readonly code = 'config_invalid'
  readonly complaints: readonly Placed[]

  constructor(file: string, complaints: readonly Placed[]) {
    const lines = complaints.map(each => {
      const other = each.file === file ? '' : relative(dirname(file), each.file)
      const where = [other, each.line === null ? '' : `line ${each.line}`].filter(Boolean)
      return `  ${where.length > 0 ? `${where.join(' ')}: ` : ''}${each.at} ${each.message}`
    })
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

/**
 * The config file and the folder of upstreams that it may name, checked against one schema and against each other.
 *
 * @throws ConfigError with every complaint
 */
export function readConfig(path: string): Config {
  return open(path).finish([])
}

/**
 * As `readConfig`; `inspect` adds what others find wrong with it (the keys, the audit file), so that it all comes at
 * once.
 *
 * @throws ConfigError with every complaint
 */
export async function readConfigWith(
  path: string,
  inspect: (config: Config) => Promise<Complaint[]>,
): Promise<Config> {
  const { config, finish } = open(path)
  return finish(await inspect(config))
}

function open(path: string): { config: Config; finish: (found: Complaint[]) => Config } {
  const files = openConfigFiles(path)
  if (Array.isArray(files)) throw new ConfigError(path, files)
  const { config, complaints } = settle(files)
  return {
    config,
    finish: found => {
      const all = [...crossCheck(files.file), ...complaints, ...found]
      if (all.length > 0) throw new ConfigError(path, all.map(files.place))
      return config
    },
  }
}

/** Files that the config names are read here, so that a missing one is a complaint and not a crash later. */
function settle({ file, generation, changed, sources, pathAt }: ConfigFiles): {
  config: Config
  complaints: Complaint[]
} {
  const complaints: Complaint[] = []
  const named: string[] = []
  const readBytes = (given: string, at: string): Buffer | null => {
    const path = pathAt(at, given)
    named.push(path)
    try {
      return readFileSync(path)
    } catch (error) {
      complaints.push({
        at,
        message: `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      })
      return null
    }
  }
  const read = (given: string, at: string): string | null =>
    readBytes(given, at)?.toString('utf8') ?? null
  const readSecret = (given: string, at: string): Buffer => {
    const bytes = readBytes(given, at)
    if (bytes !== null && !isPrivate(statSync(pathAt(at, given))))
      complaints.push({ at, message: `${pathAt(at, given)} may be read by others: chmod 600 it` })
    return bytes ?? Buffer.alloc(0)
  }
  const readAuthorities = (given: string, at: string): string => {
    const pem = read(given, at)
    const fault = pem === null ? null : authoritiesFault(pem)
    if (fault !== null) complaints.push({ at, message: `${pathAt(at, given)} ${fault}` })
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
  const { keys, sources: folders } = settleKeys(file.keys, {
    pathAt,
    readSecret,
    readAuthorities,
    complaints,
  })
  const [on, off] = splitBy(Object.entries(file.upstreams), ([, each]) => isOn(each))
  const upstreams = on.map(([id, each]): [string, Upstream] => {
    const profileName = each.profile
    const profile: Profile = PROFILES[profileName]
    const { fhirBase, tokenEndpoint = '', clientId, environment, scopes } = each
    return [
      id,
      {
        ...{ id, fhirBase, tokenEndpoint, clientId, environment, scopes, profileName, profile },
        alg: each.alg ?? profile.alg,
        pinnedKids: each.keySource === 'pinned' ? (each.pinnedKids ?? []) : null,
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
    ...{ generation, changed },
    issuer: file.issuer,
    listen: settleListen(file.listen, { pathAt, readIdentity, readAuthorities, complaints }),
    admin: settleAdmin(file.admin, given => pathAt('/admin', given), read, complaints),
    fhirCheck: file.admin?.fhirCheck ?? null,
    audit: { file: pathAt('/audit/file', file.audit.file), fsync: file.audit.fsync ?? false },
    keys,
    state: stateFolder(file, pathAt),
    upstreams: new Map(upstreams),
    disabled: new Map(off.map(([id, { fhirBase, reason = '' }]) => [id, { id, fhirBase, reason }])),
    services: new Map(
      Object.entries(file.services).map(([id, { grants, mode = 'enforce' }]) => [
        id,
        { grants: expandGrants(grants, file.upstreams), mode },
      ]),
    ),
    callers: settleCallers(file, { pathAt, read, readAuthorities, complaints }),
    rotation: settleRotation(file.rotation, { pathAt, readSecret, readAuthorities, complaints }),
    sharedCache: file.sharedCache
      ? readSharedCache(file.sharedCache, { readSecret, readAuthorities, complaints })
      : null,
    traces: file.traces
      ? settleTraces(file.traces, { readSecret, readAuthorities, complaints })
      : null,
    metrics: file.metrics
      ? settleMetrics(file.metrics.listen, { read, readIdentity, complaints })
      : null,
    launch: settleLaunch(file, new Map(upstreams), {
      ...{ pathAt, readIdentity, readAuthorities, readSecret, complaints },
    }),
    sources: [...new Set([...sources, ...folders, ...named])],
  }
  return { config, complaints }
}

/** Beside the audit, where the broker may write, and by its name, which is one broker's alone. */
function stateFolder({ state, audit }: ConfigFile, pathAt: ConfigFiles['pathAt']): string {
  if (state !== undefined) return pathAt('/state', state)
  const { dir, name } = parse(pathAt('/audit/file', audit.file))
  return join(dir, `${name}-state`)
}

function splitBy<T>(all: readonly T[], is: (one: T) => boolean): [T[], T[]] {
  return [all.filter(is), all.filter(one => !is(one))]
}
