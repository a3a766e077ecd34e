import Type from 'typebox'
import type { Environment } from '../keys-pipeline/key-set.ts'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isSafeUrl } from './urls.ts'

const closed = { additionalProperties: false }
const FilePath = Type.String({
  minLength: 1,
  description: 'A path, relative to the file it stands in.',
})
const Reason = { minLength: 1, maxLength: 500 }
const KID = '^[\\x21-\\x7e]{1,128}$'
export const KidList = Type.Array(Type.String({ pattern: KID }), { minItems: 1, uniqueItems: true })
/** Seconds. */
const Period = (most: number) => Type.Integer({ minimum: 1, maximum: most })
const MONTH = 31 * 24 * 60 * 60

/** The keys of an environment, in the config file. */
export const KeyFolder = Type.Object(
  {
    folder: Type.String({
      minLength: 1,
      description: 'Folder of private keys (PEM or JWK), mode 0700, files 0600.',
    }),
    standbyFolder: Type.Optional(FilePath),
    jwksUrl: Type.Optional(
      Type.String({ description: 'Where the public halves are published: what EHRs fetch.' }),
    ),
    ca: Type.Optional(FilePath),
    family: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])),
    watch: Type.Optional(Period(3600)),
    guard: Type.Optional(Period(MONTH)),
    liveSince: Type.Optional(
      Type.Record(
        Type.String({ pattern: KID }),
        Type.Object(
          {
            time: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2})?Z$' }),
            reason: Type.String(Reason),
          },
          closed,
        ),
        closed,
      ),
    ),
    heldElsewhere: Type.Optional(KidList),
  },
  closed,
)

/** One environment's keys: the private halves, and where the public ones are published, if that is known. */
export interface KeySource {
  folder: string
  /** The private halves of standbys, which lie elsewhere. */
  standbyFolder: string | null
  jwksUrl: string | null
  /** PEM of the authorities trusted for `jwksUrl`; null for the system's. */
  ca: string | null
  /** The one IP version over which `jwksUrl` is looked at; null for those that there are. */
  family: 4 | 6 | null
  /** Seconds between two looks at `jwksUrl`; null where the watch decides. */
  watch: number | null
  /** Seconds that a key must be live before it signs; null where that is worked out. */
  guard: number | null
  /** By kid: live since then by the operator's word. Milliseconds since the epoch. */
  liveSince: ReadonlyMap<string, { at: number; reason: string }>
  /** Kids in the live set whose private halves somebody else has. */
  heldElsewhere: readonly string[]
}

/** What one schema cannot say of the keys. */
export function keyRules({ keys }: ConfigFile): Complaint[] {
  return Object.entries(keys).flatMap(([environment, each]) => {
    const at = `/keys/${environment}`
    const complaints: Complaint[] = []
    const { jwksUrl, ca, family, watch, liveSince = {} } = each
    const url = jwksUrl !== undefined && URL.canParse(jwksUrl) ? new URL(jwksUrl) : null
    if (
      jwksUrl !== undefined &&
      !(url && isSafeUrl(url) && !url.hash && !url.username && !url.password)
    ) {
      const message = 'must be an https URL (http on a loopback address) without user or fragment'
      complaints.push({ at: `${at}/jwksUrl`, message })
    }
    for (const [name, given] of Object.entries({ ca, family, watch }))
      if (given !== undefined && jwksUrl === undefined)
        complaints.push({ at: `${at}/${name}`, message: 'is for jwksUrl, which is not there' })
    for (const [kid, { time }] of Object.entries(liveSince))
      if (Number.isNaN(Date.parse(time)))
        complaints.push({ at: `${at}/liveSince/${kid}/time`, message: 'is no moment' })
    return complaints
  })
}

/** The keys as the config has them. */
export function settleKeys(
  keys: ConfigFile['keys'],
  tools: {
    pathAt: (at: string, given: string) => string
    readAuthorities: (given: string, at: string) => string
  },
): Map<Environment, KeySource> {
  const entries = Object.entries(keys) as [
    Environment,
    NonNullable<ConfigFile['keys'][Environment]>,
  ][]
  return new Map(
    entries.map(([name, each]) => [
      name,
      {
        folder: tools.pathAt('/keys', each.folder),
        standbyFolder:
          each.standbyFolder === undefined ? null : tools.pathAt('/keys', each.standbyFolder),
        jwksUrl: each.jwksUrl ?? null,
        ca: each.ca === undefined ? null : tools.readAuthorities(each.ca, `/keys/${name}/ca`),
        family: each.family ?? null,
        watch: each.watch ?? null,
        guard: each.guard ?? null,
        liveSince: new Map(
          Object.entries(each.liveSince ?? {}).map(([kid, { time, reason }]) => [
            kid,
            { at: Date.parse(time), reason },
          ]),
        ),
        heldElsewhere: each.heldElsewhere ?? [],
      },
    ]),
  )
}
