import type { Caller } from './access/authenticate.ts'
import type { Ask, Authorised, Tolerated } from './access/authorise.ts'
import type { Presented } from './access/credential.ts'
import type { Grant, Policy } from './access/policy.ts'
import type { Audit, AuditRecord } from './audit.ts'
import { openRecord } from './audit-record.ts'
import type { Clock } from './clock.ts'
import { asBrokerError, type BrokerError } from './errors.ts'
import type { Obtain, Obtained } from './tokens/obtain.ts'

/** A token request, read but not yet believed. */
export interface TokenRequest extends Presented {
  id: string
  ask: Ask
  /** Seconds; 0 where it is not asked for. */
  minimumTtl: number
  /** What was wrong with it as HTTP or as a form. It is a decision too, and is recorded as one. */
  fault: BrokerError | null
}

/** A successful token response. @see RFC 6749 §5.1 */
export interface Issued {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  scope: string
}

/** What the story is told with; `broker/app.ts` hands it over. */
export interface Rooms {
  policy: () => Policy
  authenticate: (presented: Presented, policy: Policy) => Promise<Caller>
  /** The client_id that is claimed, before anything is believed. */
  claimedId: (presented: Presented) => string | null
  /** Lets a service in, unless it asks too much; returns what to call at the end. */
  admit: (service: string, policy: Policy) => () => void
  authorise: (service: string, ask: Ask, policy: Policy) => Authorised
  obtain: Obtain
  refuseExcess: (grant: Grant, granted: string) => Tolerated
  audit: Audit
  clock: Clock
}

/**
 * The story of the broker: who asks, may they, the token, the record, the reply. Policy is decided on one config
 * generation and before the cache is looked at. The record is written before this returns: no record, no token.
 */
export async function issueToken(request: TokenRequest, rooms: Rooms): Promise<Issued> {
  const policy = rooms.policy()
  const claimed = rooms.claimedId(request)
  const record: AuditRecord = {
    ...openRecord('token', request, claimed, policy, rooms.clock),
    asked: askedOf(request),
  }
  let leave = (): void => {}
  try {
    if (request.fault) throw request.fault
    const caller = await rooms.authenticate(request, policy)
    record.service = caller.service
    record.method = caller.method
    leave = rooms.admit(caller.service, policy)
    const { grant, scopes, tolerated } = rooms.authorise(caller.service, request.ask, policy)
    record.upstream = grant.upstream.id
    const obtained = await rooms.obtain({
      upstream: grant.upstream,
      scopes,
      minimumTtl: request.minimumTtl,
    })
    record.tolerated = rooms.refuseExcess(grant, obtained.token.scope) ?? tolerated
    record.granted = grantedOf(obtained)
    record.decision = 'granted'
    await rooms.audit.record(record)
    return replyOf(obtained)
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  } finally {
    leave()
  }
}

const replyOf = ({ token, expiresIn }: Obtained): Issued => ({
  access_token: token.accessToken,
  token_type: 'Bearer',
  expires_in: expiresIn(),
  scope: token.scope,
})

/** A token as it goes into a record. */
export const grantedOf = ({ token, expiresIn, source }: Obtained): AuditRecord['granted'] => ({
  scope: token.scope,
  expires_in: expiresIn(),
  token_sha256: token.sha256,
  kid: token.kid,
  source,
})

/** What is asked, as it goes into the record. */
export const askedOf = ({
  ask,
  minimumTtl,
}: Pick<TokenRequest, 'ask' | 'minimumTtl'>): AuditRecord['asked'] => ({
  audience: cut(ask.audience),
  resource: cut(ask.resources[0]),
  scope: cut(ask.scope),
  minimum_ttl: minimumTtl,
})

/** What a request says, as it goes into a record: all that a real one has, and not all that a hostile one sends. */
const cut = (text: string | undefined): string | null => text?.slice(0, 1000) ?? null
