import { STATEMENTS, type StatementKind } from '../../keys-pipeline/statements.ts'
import type { SigningKey } from './signing-keys.ts'

/**
 * What the publisher asks of a key, signed by this one: that its private half is here (`possession`), or that another
 * has stopped signing (`release`). Times are milliseconds since the epoch.
 *
 * @see keys-pipeline/statements.ts
 */
export function stateBy(
  by: SigningKey,
  kind: StatementKind,
  about: { thumbprint: string; url: string; now: number; lastSigned?: number },
): Promise<string> {
  const { thumbprint, url, now, lastSigned } = about
  return by.signJwt(
    { typ: STATEMENTS[kind], kid: by.kid, alg: by.alg },
    {
      ...{ sub: thumbprint, aud: url, iat: Math.floor(now / 1000) },
      ...(lastSigned !== undefined && { last_signed: Math.ceil(lastSigned / 1000) }),
    },
  )
}
