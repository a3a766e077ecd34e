import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import type { LaunchTarget } from '../launch-config.ts'

const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })

const ConnectionSchema = Type.Object({
  id: Type.String(),
  upstream: Type.String(),
  /** Whose tokens these are: they are shown to nobody else, whatever the config says later. */
  fhirBase: Type.String(),
  tokenEndpoint: Type.String(),
  clientId: Type.String(),
  /** When the user logged in. Times are milliseconds since the epoch. */
  since: Type.Number(),
  accessToken: Type.String({ minLength: 1 }),
  /** Seconds, and the end of it. */
  life: Type.Number(),
  expiresAt: Type.Number(),
  scope: Type.String(),
  /** The key of ours that the EHR accepted. */
  kid: Type.String(),
  refreshToken: nullable(Type.String({ minLength: 1 })),
  context: Type.Record(Type.String(), Type.Unknown()),
  identity: nullable(
    Type.Object({
      iss: Type.String(),
      sub: Type.String(),
      fhirUser: nullable(Type.String()),
      username: nullable(Type.String()),
    }),
  ),
  /** The EHR has said no to the refresh token. */
  isOver: Type.Boolean(),
  /** Somebody has begun to use the refresh token, and the answer is not here: who, and until when they may take. */
  renewing: nullable(Type.Object({ by: Type.String(), until: Type.Number() })),
  /** Who may have it, by a code that is good once. */
  code: nullable(Type.Object({ service: Type.String(), hash: Hash, until: Type.Number() })),
  /** Who has it. */
  handle: nullable(Type.Object({ service: Type.String(), hash: Hash })),
})

/** One user's standing access to one EHR. */
export type Connection = Static<typeof ConnectionSchema>

const shape = Compile(ConnectionSchema)

/** Null for what is none, as after a version that wrote it otherwise. */
export function readConnection(text: string): Connection | null {
  const value: unknown = JSON.parse(text)
  return shape.Check(value) ? value : null
}

/** Whether the config still means the EHR and the app that the user logged in to. */
export const isFor = (
  { upstream, fhirBase, tokenEndpoint, clientId }: Connection,
  target: LaunchTarget,
): boolean =>
  upstream === target.upstream.id &&
  fhirBase === target.upstream.fhirBase &&
  tokenEndpoint === target.upstream.tokenEndpoint &&
  clientId === target.upstream.clientId

/** `lapsed`: its token is over and there is nothing to renew it with. `over`: the EHR has ended it. */
export type Standing = 'connected' | 'lapsed' | 'over'

export function standingOf({ isOver, expiresAt, refreshToken }: Connection, now: number): Standing {
  if (isOver) return 'over'
  return expiresAt > now || refreshToken !== null ? 'connected' : 'lapsed'
}

const DAY = 24 * 60 * 60 * 1000

/**
 * Until when it is kept: a token without a refresh token for a day beyond its end, so that its user can be told; one
 * that the EHR has ended for 30 days; a lasting one for 400 days after it was last renewed.
 */
export function keptUntil({ refreshToken, isOver, expiresAt }: Connection, now: number): number {
  if (isOver) return now + 30 * DAY
  return refreshToken === null ? expiresAt + DAY : now + 400 * DAY
}
