import { hash } from 'node:crypto'
import type { Audit, AuditRecord } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { LaunchTarget } from '../launch-config.ts'
import type { Presented } from '../upstream/exchange.ts'
import { type Answer, codeOf, type Issuer } from './answer.ts'
import type { Connection } from './connection.ts'
import { contextOf, textIn } from './context.ts'
import type { Expected, Identity } from './id-token.ts'
import type { Issuers } from './issuers.ts'
import type { Keeper } from './keeper.ts'
import { cookieName, type Logins, type Pending } from './logins.ts'
import type { PresentGrant } from './renew.ts'
import { scopesOf } from './request.ts'

/** A browser that comes back from an EHR. */
export interface Return {
  target: LaunchTarget
  redirectUri: string
  answer: Answer
  cookies: ReadonlyMap<string, string>
  /** The session that the browser had before. */
  session: string | undefined
}

export interface Finished {
  session: string
  /** The cookie of the login, which is over. */
  login: string
  /** Where a service is to have it: its code, and what it gave us to hand back. */
  handOver: { code: string; state: string | null } | null
}

export interface FinishPorts {
  clock: Clock
  logins: Pick<Logins, 'look' | 'finish'>
  issuers: Issuers
  checkIdToken: (idToken: string, expected: Expected) => Promise<Identity>
  present: PresentGrant
  /** Refused: `scope_exceeds_grant`. */
  refuseExcess: (target: LaunchTarget, granted: string) => void
  keeper: Keeper
  audit: Audit
}

/**
 * The story of a login's end: is it ours, what does the EHR say, the code for the token, who is it, the connection, the
 * record. Where the record fails there is no connection.
 *
 * Refused: what `Logins.finish`, `codeOf`, `checkIdToken`, `contextOf`, `Issuers` and `present` refuse;
 * `id_token_missing`, `scope_exceeds_grant`, `connection_store_failed`, `audit_failed`.
 */
export async function finishLogin(
  coming: Return,
  record: AuditRecord,
  ports: FinishPorts,
): Promise<Finished> {
  try {
    return await connect(coming, record, ports)
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await ports.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  }
}

async function connect(
  { target, redirectUri, answer, cookies, session: before }: Return,
  record: AuditRecord,
  ports: FinishPorts,
): Promise<Finished> {
  const { clock, logins, issuers, present, keeper, audit } = ports
  const login = [target.upstream.id, answer.get('state'), cookies] as const
  logins.look(...login)
  // Where the EHR cannot be asked the state is not spent, and the browser may try again.
  const issuer = await issuers.of(target)
  const pending = await logins.finish(...login)
  const code = codeOf(answer, issuer)
  const grant = {
    ...{ grant_type: 'authorization_code', code, redirect_uri: redirectUri },
    code_verifier: pending.verifier,
  }
  const presented = await present(target, grant, scopesOf(target, false))
  ports.refuseExcess(target, presented.scope)
  const identity = await identityOf(presented, target, issuer, pending, ports)
  const id = keeper.newId()
  const handOver = target.service && keeper.newCode(id, target.service.id)
  const connection = {
    ...connectionOf(presented, target, identity, clock().wall),
    ...{ id, code: handOver?.kept ?? null },
  }
  await keeper.keep(connection)
  try {
    const granted = grantedOf(connection, clock().wall)
    await audit.record({ ...record, decision: 'granted', connection: id, granted })
  } catch (error) {
    await keeper.remove(id)
    throw error
  }
  const session = await keeper.openSession(connection, before)
  return {
    ...{ session, login: cookieName(answer.get('state') ?? '') },
    handOver: handOver && { code: handOver.code, state: pending.serviceState },
  }
}

async function identityOf(
  { body, scope }: Presented,
  target: LaunchTarget,
  { issuer }: Issuer,
  { nonce }: Pending,
  { clock, issuers, checkIdToken }: FinishPorts,
): Promise<Identity | null> {
  const idToken = textIn(body, 'id_token')
  if (idToken === null) {
    if (scope.split(' ').includes('openid')) throw new BrokerError('id_token_missing')
    return null
  }
  return checkIdToken(idToken, {
    ...{ issuer, clientId: target.upstream.clientId, nonce, now: clock().wall },
    keys: isAnew => issuers.keysOf(target, isAnew),
  })
}

function connectionOf(
  { body, accessToken, life, scope, kid, sentAt }: Presented,
  { upstream }: LaunchTarget,
  identity: Identity | null,
  now: number,
): Omit<Connection, 'id' | 'code'> {
  const { id, fhirBase, tokenEndpoint, clientId } = upstream
  return {
    ...{ upstream: id, fhirBase, tokenEndpoint, clientId, since: now, identity },
    ...{ accessToken, life, expiresAt: sentAt.wall + life * 1000, scope, kid },
    refreshToken: textIn(body, 'refresh_token'),
    context: contextOf(body),
    ...{ isOver: false, renewing: null, handle: null },
  }
}

/** As it goes into the record. */
export const grantedOf = (
  { accessToken, scope, expiresAt, kid }: Connection,
  now: number,
): NonNullable<AuditRecord['granted']> => ({
  ...{ scope, kid, source: 'upstream' },
  expires_in: Math.max(0, Math.floor((expiresAt - now) / 1000)),
  token_sha256: hash('sha256', accessToken, 'hex'),
})
