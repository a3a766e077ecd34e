import type { Ask, Authorised, Tolerated } from './access/authorise.ts'
import type { Grant, Policy } from './access/policy.ts'
import type { AuditRecord } from './audit.ts'
import { type DecisionRooms, decide, type ServiceRequest } from './decide.ts'
import type { Obtain, Obtained } from './tokens/obtain.ts'

/** A token request, read but not yet believed. */
export interface TokenRequest extends ServiceRequest {
  ask: Ask
  /** Seconds; 0 where it is not asked for. */
  minimumTtl: number
}

/** A successful token response. @see RFC 6749 §5.1 */
export interface Issued {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  scope: string
}

/** What the story is told with; `broker/app.ts` hands it over. */
export interface Rooms extends DecisionRooms {
  authorise: (service: string, ask: Ask, policy: Policy) => Authorised
  obtain: Obtain
  refuseExcess: (grant: Grant, granted: string) => Tolerated
}

/**
 * The story of the broker: who asks, may they, the token, the record, the reply. Policy is decided on one config
 * generation and before the cache is looked at. The record is written before this returns: no record, no token.
 */
export function issueToken(request: TokenRequest, rooms: Rooms): Promise<Issued> {
  const what = { action: 'token', asked: askedOf(request) } as const
  return decide(what, request, rooms, async ({ service, policy, record }) => {
    const { grant, scopes, tolerated } = rooms.authorise(service, request.ask, policy)
    record.upstream = grant.upstream.id
    const obtained = await rooms.obtain({
      upstream: grant.upstream,
      scopes,
      minimumTtl: request.minimumTtl,
    })
    record.tolerated = rooms.refuseExcess(grant, obtained.token.scope) ?? tolerated
    record.granted = grantedOf(obtained)
    return () => replyOf(obtained)
  })
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
