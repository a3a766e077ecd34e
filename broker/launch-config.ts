import { join, parse } from 'node:path'
import Type from 'typebox'
import type { ConfigFile } from './config-schema.ts'
import { type Listen, settleListen } from './listen-config.ts'
import type { Upstream } from './upstream/upstream.ts'

const closed = { additionalProperties: false }
const FilePath = Type.String({
  minLength: 1,
  description: 'A path, relative to the file it stands in.',
})
const Url = Type.String({ maxLength: 2000, description: 'https, or http on a loopback address.' })

/** Where people's browsers come, and where connections are kept. */
export const LaunchSchema = Type.Object(
  {
    listen: Type.Object(
      {
        host: Type.Optional(Type.String({ minLength: 1 })),
        port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
        socket: Type.Optional(FilePath),
        behindProxy: Type.Optional(Type.Boolean()),
        trustedProxies: Type.Optional(
          Type.Array(Type.String({ pattern: '^[0-9A-Fa-f:.]+(/\\d{1,3})?$' })),
        ),
        tls: Type.Optional(Type.Object({ cert: FilePath, key: FilePath }, closed)),
      },
      closed,
    ),
    publicUrl: Type.String({ description: 'Under which browsers reach it, without a path.' }),
    sealKeys: Type.Array(FilePath, {
      minItems: 1,
      maxItems: 5,
      description: 'Files of at least 32 random bytes. The first seals, all of them open.',
    }),
    store: Type.Optional(FilePath),
    debug: Type.Optional(Type.Boolean()),
  },
  closed,
)

/** The user's side of one upstream. */
export const UpstreamLaunchSchema = Type.Object(
  {
    clientId: Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,256}$' })),
    authorizationEndpoint: Url,
    issuer: Type.Optional(Url),
    scopes: Type.Array(
      Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$', maxLength: 200 }),
      { minItems: 1, maxItems: 200, uniqueItems: true },
    ),
    offline: Type.Optional(Type.Boolean()),
    embedded: Type.Optional(Type.Boolean()),
    origins: Type.Optional(Type.Array(Url, { minItems: 1, maxItems: 20, uniqueItems: true })),
    service: Type.Optional(Type.String()),
    returnUrl: Type.Optional(Url),
  },
  closed,
)

/** One upstream as users log in to it. */
export interface LaunchTarget {
  /** Under the client ID of the user's side. */
  upstream: Upstream
  /** As it is sent. */
  authorizationEndpoint: string
  /** The `iss` of its id_tokens; null where the FHIR server is asked for it. */
  issuer: string | null
  /** Patient- and user-level, and whatever else the app asks for. */
  scopes: readonly string[]
  /** Whether a refresh token is asked for. */
  offline: boolean
  /** Origins that may show our pages in a frame; null where none may. */
  origins: readonly string[] | null
  /** Who gets the connection, and where the browser is sent with the one-use code for it; null where nobody. */
  service: { id: string; returnUrl: string } | null
}

export interface LaunchConfig {
  listen: Listen
  /** As `new URL().origin` writes it. */
  publicUrl: string
  /** The first seals, all of them open. */
  sealKeys: readonly Buffer[]
  /** File of the connections; brokers with a shared cache keep them there. */
  store: string
  debug: boolean
  targets: ReadonlyMap<string, LaunchTarget>
}

/** How files are read that the settings name, and where to complain of what is in them. */
type Files = Parameters<typeof settleListen>[1] & {
  readSecret: (given: string, at: string) => Buffer
}

/** Bytes of a seal key: as many as the key that is made of it. */
const LEAST_SECRET = 32

/** The launch routes as the config has them; null where there are none. Complains of files that are no good. */
export function settleLaunch(
  file: ConfigFile,
  upstreams: ReadonlyMap<string, Upstream>,
  files: Files,
): LaunchConfig | null {
  if (file.launch === undefined) return null
  const { listen, publicUrl, sealKeys, store, debug } = file.launch
  const { complaints, pathAt } = files
  const openKey = (given: string, index: number): Buffer => {
    const at = `/launch/sealKeys/${index}`
    const secret = files.readSecret(given, at)
    if (secret.length < LEAST_SECRET && !complaints.some(each => each.at === at))
      complaints.push({ at, message: `${given} holds fewer than ${LEAST_SECRET} bytes` })
    return secret
  }
  return {
    listen: settleListen({ ...listen, docs: false }, files, '/launch/listen'),
    publicUrl,
    sealKeys: sealKeys.map(openKey),
    store: store === undefined ? besideAudit(file, pathAt) : pathAt('/launch/store', store),
    debug: debug ?? false,
    targets: new Map([...upstreams].flatMap(([id, each]) => targetOf(each, file.upstreams[id]))),
  }
}

type UpstreamFile = ConfigFile['upstreams'][string]

function targetOf(upstream: Upstream, file: UpstreamFile | undefined): [string, LaunchTarget][] {
  if (file?.launch === undefined) return []
  const { clientId, authorizationEndpoint, issuer, scopes, service, returnUrl } = file.launch
  const { offline, embedded, origins } = file.launch
  const target = {
    upstream: { ...upstream, clientId: clientId ?? upstream.clientId },
    ...{ authorizationEndpoint, issuer: issuer ?? null, scopes, offline: offline ?? false },
    origins: embedded ? (origins ?? []) : null,
    service: service === undefined ? null : { id: service, returnUrl: returnUrl ?? '' },
  }
  return [[upstream.id, target]]
}

function besideAudit({ audit }: ConfigFile, pathAt: (at: string, given: string) => string): string {
  const { dir, name } = parse(pathAt('/audit/file', audit.file))
  return join(dir, `${name}-connections.db`)
}
