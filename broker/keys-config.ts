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
  signWith: readonly string[]
  jwksUrl: string | null
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

export const KeySettings = Type.Object(
  {
    folder: Type.Optional(
      Type.String({
        ...Path,
        description: 'Folder of private keys (PEM or JWK), mode 0700, files 0600.',
      }),
    ),
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
    signWith: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
        description: 'Where there are several keys of one algorithm: the kid that signs, for each.',
      }),
    ),
  },
  closed,
)

type KeyFile = Static<typeof KeySettings>

interface Tools {
  pathAt: (at: string, given: string) => string
  readSecret: (given: string, at: string) => Buffer
  complaints: Complaint[]
}

/** The settings with their secrets read, and the paths that they name. A secret is a whole file without its last line break. */
export function settleKeys(
  file: Partial<Record<Environment, KeyFile>>,
  { pathAt, readSecret, complaints }: Tools,
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
    entries.map(([name, { folder, passphraseFile, pkcs11, signWith = [], jwksUrl = null }]) => {
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
        ...{ signWith, jwksUrl },
      }
      return [name, source]
    }),
  )
  const sources = [...keys.values()].flatMap(({ folder }) => (folder === null ? [] : [folder]))
  return { keys, sources }
}

/** The rules between the settings. Pure. */
export function keyRules(keys: Partial<Record<Environment, KeyFile>>): Complaint[] {
  return Object.entries(keys).flatMap(([name, { folder, passphraseFile, pkcs11, jwksUrl }]) => {
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
    return complaints
  })
}

function isKeySetUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && isSafeUrl(url) && !url.hash && !url.username && !url.password
}
