import Type, { type Static } from 'typebox'
import type { Environment } from '../keys-pipeline/key-set.ts'
import type { Complaint } from './config-rules.ts'
import { isSafeUrl } from './urls.ts'

/** One environment's keys: the private halves, and where the public ones are published, if that is known. */
export interface KeySource {
  folder: string | null
  /** What opens the folder's encrypted files. */
  passphrase: Secret | null
  token: TokenSource | null
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

/** A token whose keys sign inside it. */
export interface TokenSource {
  /** The PKCS#11 library of its maker; absolute. */
  library: string
  label: string
  pin: Secret
}

/** What a file holds, and the file, which may be named to people. */
export interface Secret {
  file: string
  text: string
}

const closed = { additionalProperties: false }
const Path = { minLength: 1 }
const Reason = { minLength: 1, maxLength: 500 }
const KID = '^[\\x21-\\x7e]{1,128}$'
export const KidList = Type.Array(Type.String({ pattern: KID }), { minItems: 1, uniqueItems: true })
/** Seconds. */
const Period = (most: number) => Type.Integer({ minimum: 1, maximum: most })
const MONTH = 31 * 24 * 60 * 60

/** The keys of an environment, in the config file. */
export const KeySettings = Type.Object(
  {
    folder: Type.Optional(
      Type.String({
        ...Path,
        description: 'Folder of private keys (PEM or JWK), mode 0700, files 0600.',
      }),
    ),
    standbyFolder: Type.Optional(Type.String(Path)),
    passphraseFile: Type.Optional(
      Type.String({ ...Path, description: 'What opens the encrypted PEM files of the folder.' }),
    ),
    pkcs11: Type.Optional(
      Type.Object(
        {
          library: Type.String({
            ...Path,
            description: 'The PKCS#11 library of the token’s maker.',
          }),
          token: Type.String({ minLength: 1, maxLength: 32, description: 'Its label.' }),
          pinFile: Type.String({ ...Path, description: 'The PIN of its user.' }),
        },
        closed,
      ),
    ),
    jwksUrl: Type.Optional(
      Type.String({ description: 'Where the public halves are published: what EHRs fetch.' }),
    ),
    ca: Type.Optional(Type.String(Path)),
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

type KeyFile = Static<typeof KeySettings>

interface Tools {
  pathAt: (at: string, given: string) => string
  readSecret: (given: string, at: string) => Buffer
  readAuthorities: (given: string, at: string) => string
  complaints: Complaint[]
}

/** The settings with their secrets read, and the paths that they name. A secret is a whole file without its last line break. */
export function settleKeys(
  file: Partial<Record<Environment, KeyFile>>,
  { pathAt, readSecret, readAuthorities, complaints }: Tools,
): { keys: Map<Environment, KeySource>; sources: string[] } {
  const secretIn = (given: string, at: string): Secret => {
    const before = complaints.length
    const text = readSecret(given, at)
      .toString('utf8')
      .replace(/\r?\n$/, '')
    const path = pathAt(at, given)
    if (text === '' && complaints.length === before)
      complaints.push({ at, message: `${path} is empty` })
    return { file: path, text }
  }
  const entries = Object.entries(file) as [Environment, KeyFile][]
  const keys = new Map(
    entries.map(([name, each]) => {
      const { folder, passphraseFile, pkcs11 } = each
      const at = `/keys/${name}`
      const source: KeySource = {
        folder: folder === undefined ? null : pathAt(at, folder),
        passphrase:
          passphraseFile === undefined ? null : secretIn(passphraseFile, `${at}/passphraseFile`),
        token: pkcs11
          ? {
              library: pathAt(at, pkcs11.library),
              label: pkcs11.token,
              pin: secretIn(pkcs11.pinFile, `${at}/pkcs11/pinFile`),
            }
          : null,
        standbyFolder: each.standbyFolder === undefined ? null : pathAt(at, each.standbyFolder),
        jwksUrl: each.jwksUrl ?? null,
        ca: each.ca === undefined ? null : readAuthorities(each.ca, `${at}/ca`),
        ...{ family: each.family ?? null, watch: each.watch ?? null, guard: each.guard ?? null },
        liveSince: new Map(
          Object.entries(each.liveSince ?? {}).map(([kid, { time, reason }]) => [
            kid,
            { at: Date.parse(time), reason },
          ]),
        ),
        heldElsewhere: each.heldElsewhere ?? [],
      }
      return [name, source]
    }),
  )
  const sources = [...keys.values()].flatMap(({ folder, standbyFolder }) =>
    [folder, standbyFolder].filter(each => each !== null),
  )
  return { keys, sources }
}

/** The rules between the settings. Pure. */
export function keyRules(keys: Partial<Record<Environment, KeyFile>>): Complaint[] {
  return Object.entries(keys).flatMap(([name, each]) => {
    const { folder, passphraseFile, pkcs11, jwksUrl, ca, family, watch } = each
    const at = `/keys/${name}`
    const complaints: Complaint[] = []
    if (folder === undefined && pkcs11 === undefined)
      complaints.push({ at, message: 'has neither a folder nor pkcs11: name where the keys are' })
    if (folder === undefined && passphraseFile !== undefined)
      complaints.push({ at: `${at}/passphraseFile`, message: 'is for the files of a folder' })
    if (jwksUrl !== undefined && !isKeySetUrl(jwksUrl)) {
      const message = 'must be an https URL (http on a loopback address) without user or fragment'
      complaints.push({ at: `${at}/jwksUrl`, message })
    }
    for (const [setting, given] of Object.entries({ ca, family, watch }))
      if (given !== undefined && jwksUrl === undefined)
        complaints.push({ at: `${at}/${setting}`, message: 'is for jwksUrl, which is not there' })
    for (const [kid, { time }] of Object.entries(each.liveSince ?? {}))
      if (Number.isNaN(Date.parse(time)))
        complaints.push({ at: `${at}/liveSince/${kid}/time`, message: 'is no moment' })
    return complaints
  })
}

function isKeySetUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && isSafeUrl(url) && !url.hash && !url.username && !url.password
}
