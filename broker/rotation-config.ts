import { createPrivateKey } from 'node:crypto'
import Type from 'typebox'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isSafeUrl } from './urls.ts'

const closed = { additionalProperties: false }
const FilePath = Type.String({
  minLength: 1,
  description: 'A path, relative to the file it stands in.',
})
const Number10 = Type.Integer({ minimum: 1, maximum: 9_999_999_999 })

const Repository = Type.Object(
  {
    repository: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\\.{1,2}$)[A-Za-z0-9._-]{1,100}$',
      description: 'OWNER/NAME of the repository that the key sets are published from.',
    }),
    tokenFile: Type.Optional(FilePath),
    app: Type.Optional(
      Type.Object({ id: Number10, installationId: Number10, keyFile: FilePath }, closed),
    ),
    baseUrl: Type.Optional(
      Type.String({ description: 'Of the API, for GitHub Enterprise Server.' }),
    ),
    ca: Type.Optional(FilePath),
  },
  closed,
)

/** How keys are replaced, in the config file. */
export const RotationSchema = Type.Object(
  {
    every: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3650,
        description: 'Days after which a key is replaced.',
      }),
    ),
    standby: Type.Optional(
      Type.Boolean({ description: 'Keep a key in reserve for each algorithm in use.' }),
    ),
    github: Type.Optional(Type.Union([Type.Literal('none'), Repository])),
  },
  closed,
)

/** How keys are replaced. */
export interface RotationConfig {
  /** Days; null for on command alone. */
  every: number | null
  standby: boolean
  /** Where changes are proposed; null where a person makes them. */
  github: GitHubConfig | null
}

export interface GitHubConfig {
  repository: string
  baseUrl: string | null
  /** PEM of the authorities trusted for it; null for the system's. */
  ca: string | null
  credential:
    | { kind: 'token'; file: string }
    | { kind: 'app'; id: number; installationId: number; keyFile: string }
}

/** A config that says nothing of it. */
const ON_COMMAND: RotationConfig = { every: null, standby: false, github: null }

/** What one schema cannot say of rotations. */
export function rotationRules({ rotation, keys }: ConfigFile): Complaint[] {
  if (rotation === undefined) return []
  const complaints: Complaint[] = []
  const watched = Object.entries(keys).filter(([, { jwksUrl }]) => jwksUrl !== undefined)
  if (watched.length === 0)
    complaints.push({ at: '/rotation', message: 'needs a jwksUrl: keys.<environment>.jwksUrl' })
  if (rotation.standby)
    for (const [environment, { standbyFolder }] of watched)
      if (standbyFolder === undefined)
        complaints.push({
          at: '/rotation/standby',
          message: `needs a folder of its own: keys.${environment}.standbyFolder`,
        })
  const { github = 'none' } = rotation
  if (github === 'none') return complaints
  const { tokenFile, app, baseUrl } = github
  if ((tokenFile === undefined) === (app === undefined))
    complaints.push({ at: '/rotation/github', message: 'needs either tokenFile or app' })
  const url = baseUrl !== undefined && URL.canParse(baseUrl) ? new URL(baseUrl) : null
  if (
    baseUrl !== undefined &&
    !(url && isSafeUrl(url) && !url.search && !url.hash && !url.username)
  )
    complaints.push({
      at: '/rotation/github/baseUrl',
      message: 'must be an https URL (http on a loopback address) without user, query or fragment',
    })
  return complaints
}

/** As the config has it. Complains of files that cannot be used; what is in them is read anew when it is needed. */
export function settleRotation(
  rotation: ConfigFile['rotation'],
  tools: {
    pathAt: (at: string, given: string) => string
    readSecret: (given: string, at: string) => Buffer
    readAuthorities: (given: string, at: string) => string
    complaints: Complaint[]
  },
): RotationConfig {
  if (rotation === undefined) return ON_COMMAND
  const { every = null, standby = false, github = 'none' } = rotation
  if (github === 'none') return { every, standby, github: null }
  const { repository, baseUrl = null, ca, tokenFile, app } = github
  const at = '/rotation/github'
  const { pathAt, readSecret, readAuthorities, complaints } = tools
  /** What cannot be read has its complaint already. */
  const judge = (
    file: string,
    place: string,
    is: (text: string) => boolean,
    must: string,
  ): void => {
    const before = complaints.length
    const text = readSecret(file, place).toString('utf8').trim()
    if (complaints.length === before && !is(text)) complaints.push({ at: place, message: must })
  }
  if (tokenFile !== undefined)
    judge(tokenFile, `${at}/tokenFile`, isToken, 'must hold one token and nothing else')
  if (app !== undefined)
    judge(app.keyFile, `${at}/app/keyFile`, isRsaKey, 'must hold the app’s private key in PEM')
  return {
    ...{ every, standby },
    github: {
      ...{ repository, baseUrl: baseUrl?.replace(/\/$/, '') ?? null },
      ca: ca === undefined ? null : readAuthorities(ca, `${at}/ca`),
      credential: app
        ? {
            ...{ kind: 'app', id: app.id, installationId: app.installationId },
            keyFile: pathAt(`${at}/app/keyFile`, app.keyFile),
          }
        : { kind: 'token', file: pathAt(`${at}/tokenFile`, tokenFile ?? '') },
    },
  }
}

const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa'
  } catch {
    return false
  }
}
