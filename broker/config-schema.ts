import Type, { type Static } from 'typebox'
import { ALGS } from '../keys-pipeline/algorithms.ts'
import { CALLER_ALGS } from './caller-keys.ts'
import { KeySettings, KidList } from './keys-config.ts'
import { LaunchSchema, UpstreamLaunchSchema } from './launch-config.ts'
import { PROFILES, type ProfileName } from './profiles.ts'
import { RotationSchema } from './rotation-config.ts'

const closed = { additionalProperties: false }
/** Of an upstream, and of a service. */
export const UPSTREAM_ID = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'
const Id = { pattern: UPSTREAM_ID }
const ScopeList = Type.Array(
  Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$', maxLength: 200 }),
  {
    minItems: 1,
    maxItems: 500,
    uniqueItems: true,
    description: 'Scopes, an entry each.',
  },
)
const FilePath = Type.String({
  minLength: 1,
  description: 'A path, relative to the file it stands in.',
})
const Port = Type.Integer({ minimum: 0, maximum: 65_535 })

const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$' }),
  Type.String({ pattern: '^[A-Za-z0-9._-]{1,63}$' }),
  { ...closed, description: 'Names and values of your own.' },
)

/** One upstream, in the config file or in a file of its own. */
export const UpstreamSchema = Type.Object(
  {
    enabled: Type.Optional(
      Type.Boolean({ description: 'false: known, and no token is had there.' }),
    ),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'Why it is switched off.' }),
    ),
    fhirBase: Type.String({ description: 'FHIR base URL; services may name it as resource.' }),
    tokenEndpoint: Type.Optional(
      Type.String({
        description:
          'Token endpoint, exactly as the EHR writes it: it is the aud. Only what is switched off may lack it.',
      }),
    ),
    clientId: Type.String({
      pattern: '^[\\x21-\\x7e]{1,256}$',
      description: 'Our client ID at this EHR.',
    }),
    environment: Type.Union([Type.Literal('production'), Type.Literal('nonprod')]),
    profile: Type.Enum(Object.keys(PROFILES) as ProfileName[]),
    labels: Type.Optional(Labels),
    scopes: ScopeList,
    alg: Type.Optional(Type.Enum(ALGS)),
    keySource: Type.Optional(
      Type.Enum(['url', 'pinned'], {
        description: 'pinned: it has loaded our keys by hand, and fetches no URL.',
      }),
    ),
    pinnedKids: Type.Optional(KidList),
    assertionAudience: Type.Optional(
      Type.Object(
        { value: Type.String({ minLength: 1 }), reason: Type.String({ minLength: 1 }) },
        closed,
      ),
    ),
    ca: Type.Optional(FilePath),
    clientCertificate: Type.Optional(Type.Object({ cert: FilePath, key: FilePath }, closed)),
    deadline: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 120,
        description: 'Seconds for all attempts to get one token.',
      }),
    ),
    concurrency: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 32, description: 'Calls at once.' }),
    ),
    keepWarm: Type.Optional(
      Type.Boolean({ description: 'Refresh its tokens whether anybody asks or not.' }),
    ),
    launch: Type.Optional(UpstreamLaunchSchema),
  },
  closed,
)

const Text = { minLength: 1, maxLength: 500 }

/** Where the keys of a caller are: a file, or a URL. */
const CallerKeys = {
  jwksFile: Type.Optional(FilePath),
  jwksUri: Type.Optional(Type.String({ description: 'https.' })),
  ca: Type.Optional(FilePath),
  algs: Type.Optional(
    Type.Array(Type.Enum(CALLER_ALGS), {
      minItems: 1,
      uniqueItems: true,
      description: 'The algorithms that are taken.',
    }),
  ),
}

const WorkloadIssuer = Type.Object(
  {
    issuer: Type.String({
      pattern: '^(https?://[\\x21-\\x7e]{1,500}|spiffe://[a-z0-9._-]{1,255})$',
      description: 'The iss of its tokens, letter by letter, or spiffe:// and a trust domain.',
    }),
    ...CallerKeys,
    tokenFile: Type.Optional(
      Type.String({ minLength: 1, description: 'Bearer token to fetch the key set with.' }),
    ),
  },
  closed,
)

const Workload = Type.Object(
  {
    issuer: Type.String({ description: 'One of workloadIssuers.' }),
    audience: Type.Optional(Type.String(Text)),
    subject: Type.String({ ...Text, description: 'Exact, or with a * at its end.' }),
    claims: Type.Optional(
      Type.Record(Type.String({ pattern: '^[\\x21-\\x7e]{1,100}$' }), Type.String(Text), closed),
    ),
  },
  closed,
)

const Service = Type.Object(
  {
    secretSha256: Type.Optional(
      Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), {
        minItems: 1,
        maxItems: 5,
        description:
          'SHA-256 of each secret, made by service-secret. Several at once, for rotation.',
      }),
    ),
    keys: Type.Optional(Type.Object(CallerKeys, closed)),
    workloads: Type.Optional(Type.Array(Workload, { minItems: 1, maxItems: 50 })),
    certificate: Type.Optional(
      Type.Object(
        {
          dns: Type.Optional(
            Type.String({
              pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
              description: 'Lower case.',
            }),
          ),
          uri: Type.Optional(
            Type.String({ pattern: '^[a-z][a-z0-9+.-]*:[\\x21\\x23-\\x2b\\x2d-\\x7e]{1,500}$' }),
          ),
        },
        closed,
      ),
    ),
    rateLimit: Type.Optional(
      Type.Object(
        {
          perMinute: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
          burst: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
        },
        closed,
      ),
    ),
    concurrency: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'Requests at once.' }),
    ),
    mode: Type.Optional(
      Type.Enum(['enforce', 'audit'], {
        description: 'audit: scopes beyond a grant are let through, and recorded.',
      }),
    ),
    grants: Type.Array(
      Type.Object(
        {
          upstream: Type.Optional(Type.String()),
          labels: Type.Optional(Labels),
          scopes: ScopeList,
        },
        closed,
      ),
    ),
  },
  closed,
)

const SharedCache = Type.Object(
  {
    url: Type.Optional(Type.String({ description: 'Of a Valkey or Redis: rediss://host:port.' })),
    urlFile: Type.Optional(FilePath),
    ca: Type.Optional(FilePath),
    secrets: Type.Array(FilePath, {
      minItems: 1,
      maxItems: 5,
      description: 'Files of random bytes. The first encrypts, all decrypt.',
    }),
    prefix: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9:._-]{0,64}$' })),
  },
  closed,
)

const Traces = Type.Object(
  {
    endpoint: Type.String({ description: 'Of an OTLP/HTTP receiver, with its path.' }),
    headersFile: Type.Optional(FilePath),
    ca: Type.Optional(FilePath),
    sampleRatio: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  },
  closed,
)

const MetricsListener = Type.Object(
  {
    host: Type.Optional(Type.String({ minLength: 1 })),
    port: Port,
    tokenFile: Type.Optional(FilePath),
    tls: Type.Optional(Type.Object({ cert: FilePath, key: FilePath }, closed)),
  },
  closed,
)

/** The config file, described once for the check, the manual and the types. */
export const ConfigSchema = Type.Object(
  {
    issuer: Type.String({
      description: 'The URL under which services know this broker, without a path.',
    }),
    listen: Type.Object(
      {
        host: Type.Optional(Type.String({ minLength: 1 })),
        port: Type.Optional(Port),
        socket: Type.Optional(FilePath),
        behindProxy: Type.Optional(
          Type.Boolean({ description: 'A proxy in front terminates TLS.' }),
        ),
        trustedProxies: Type.Optional(
          Type.Array(Type.String({ pattern: '^[0-9A-Fa-f:.]+(/\\d{1,3})?$' }), {
            description: 'Addresses whose X-Forwarded-For is believed.',
          }),
        ),
        docs: Type.Optional(Type.Boolean({ description: 'Serve /openapi.json and /docs.' })),
        tls: Type.Optional(
          Type.Object({ cert: FilePath, key: FilePath, clientCa: Type.Optional(FilePath) }, closed),
        ),
      },
      closed,
    ),
    admin: Type.Optional(
      Type.Object(
        {
          socket: Type.Optional(FilePath),
          port: Type.Optional(Port),
          tokenFile: Type.Optional(FilePath),
          fhirCheck: Type.Optional(Type.Enum(['read', 'write'])),
        },
        closed,
      ),
    ),
    audit: Type.Object(
      {
        file: FilePath,
        fsync: Type.Optional(Type.Boolean({ description: 'Wait for the disk on every record.' })),
      },
      closed,
    ),
    keys: Type.Object(
      { production: Type.Optional(KeySettings), nonprod: Type.Optional(KeySettings) },
      closed,
    ),
    upstreams: Type.Optional(Type.Record(Type.String(Id), UpstreamSchema, closed)),
    upstreamFolder: Type.Optional(FilePath),
    workloadIssuers: Type.Optional(Type.Record(Type.String(Id), WorkloadIssuer, closed)),
    services: Type.Record(Type.String(Id), Service, closed),
    state: Type.Optional(FilePath),
    rotation: Type.Optional(RotationSchema),
    sharedCache: Type.Optional(SharedCache),
    launch: Type.Optional(LaunchSchema),
    traces: Type.Optional(Traces),
    metrics: Type.Optional(Type.Object({ listen: MetricsListener }, closed)),
  },
  closed,
)

export type UpstreamFile = Static<typeof UpstreamSchema>

/** The config file with the upstreams of all its files. */
export type ConfigFile = Static<typeof ConfigSchema> & { upstreams: Record<string, UpstreamFile> }
