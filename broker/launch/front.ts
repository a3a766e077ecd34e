import type { Audit, AuditRecord } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { LaunchTarget } from '../launch-config.ts'
import { type Answer, codeOf } from './answer.ts'
import { type Connection, type Standing, standingOf } from './connection.ts'
import { type Finished, type FinishPorts, finishLogin, type Return } from './finish.ts'
import type { Issuers } from './issuers.ts'
import type { Keeper } from './keeper.ts'
import { type Logins, type PendingCookie, surplusLogins } from './logins.ts'
import { missingFrom } from './missing.ts'
import { authorizationParameters, type Parameter, urlOf } from './request.ts'

type Cookies = ReadonlyMap<string, string>

/** The way to the EHR. */
interface WayOut {
  url: string
  cookie: PendingCookie
  /** Names of cookies that the browser should drop. */
  forget: readonly string[]
}

/** What a browser may know of its own connection; never a token. */
export interface ConnectionStatus {
  connected: boolean
  upstream: string
  standing: Standing | 'none'
  scopes: string[]
  /** ISO 8601, UTC: when the token in hand ends. */
  expires_at: string | null
  /** Whether it is renewed without the user. */
  lasting: boolean
  patient: string | null
  fhirUser: string | null
}

/** What browsers come for. */
export interface LaunchFront {
  begin: (
    target: LaunchTarget,
    way: { redirectUri: string; launch: string | null; serviceState: string | null },
    cookies: Cookies,
  ) => WayOut
  finish: (coming: Return, record: AuditRecord) => Promise<Finished>
  status: (target: LaunchTarget, session: string | undefined) => Promise<ConnectionStatus>
  disconnect: (
    target: LaunchTarget,
    session: string | undefined,
    record: AuditRecord,
  ) => Promise<void>
  /** What `begin` would send, and what is missing for it to work. Nobody can log in by it. */
  explain: (
    target: LaunchTarget,
    redirectUri: string,
  ) => Promise<{ url: string; parameters: Parameter[]; missing: string[] }>
  /** The code with which `finish` would end before it shows the EHR anything; null where it would not. */
  rehearse: (target: LaunchTarget, answer: Answer, cookies: Cookies) => Promise<string | null>
}

interface Ports extends FinishPorts {
  clock: Clock
  logins: Logins
  issuers: Issuers
  keeper: Keeper
  audit: Audit
}

export function openFront(ports: Ports): LaunchFront {
  const { clock, logins, issuers, keeper, audit } = ports
  return {
    begin: (target, { redirectUri, launch, serviceState }, cookies) => {
      const { cookie, ...own } = logins.begin(target.upstream.id, serviceState)
      const parameters = authorizationParameters(target, { ...own, redirectUri, launch })
      const url = urlOf(target.authorizationEndpoint, parameters)
      return { url, cookie, forget: surplusLogins(cookies) }
    },
    finish: (coming, record) => finishLogin(coming, record, ports),
    status: async ({ upstream }, session) => {
      const [latest] = await keeper.ofSession(session, upstream.id)
      return latest ? statusOf(latest, clock().wall) : nothingAt(upstream.id)
    },
    disconnect: async ({ upstream }, session, record) => {
      const [latest] = await keeper.ofSession(session, upstream.id)
      const connection = latest?.id ?? null
      await audit.record({ ...record, decision: 'granted', connection })
      if (session !== undefined) await keeper.end(session, upstream.id)
    },
    explain: async (target, redirectUri) => {
      const { cookie: _, ...own } = logins.begin(target.upstream.id, null)
      const parameters = authorizationParameters(target, { ...own, redirectUri, launch: null })
      const said = await issuers.saysOfItself(target).catch(asBrokerError)
      return {
        url: urlOf(target.authorizationEndpoint, parameters),
        parameters,
        missing: missingFrom(target, redirectUri, said instanceof BrokerError ? null : said),
      }
    },
    rehearse: async (target, answer, cookies) => {
      try {
        logins.look(target.upstream.id, answer.get('state'), cookies)
        codeOf(answer, await issuers.of(target))
        return null
      } catch (error) {
        return asBrokerError(error).code
      }
    },
  }
}

const nothingAt = (upstream: string): ConnectionStatus => ({
  ...{ connected: false, upstream, standing: 'none', scopes: [], expires_at: null },
  ...{ lasting: false, patient: null, fhirUser: null },
})

function statusOf(connection: Connection, now: number): ConnectionStatus {
  const { upstream, scope, expiresAt, refreshToken, context, identity } = connection
  const standing = standingOf(connection, now)
  return {
    ...{ connected: standing === 'connected', upstream, standing, scopes: scope.split(' ') },
    expires_at: new Date(expiresAt).toISOString(),
    lasting: refreshToken !== null,
    patient: typeof context['patient'] === 'string' ? context['patient'] : null,
    fhirUser: identity?.fhirUser ?? null,
  }
}
