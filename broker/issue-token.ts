import type { Ask, Authorised, Tolerated } from './access/authorise.ts'
import type { Grant, Policy } from './access/policy.ts'
import type { AuditRecord } from './audit.ts'
import {
  type DecisionRooms,
  decide,
  type Known,
  type Repeat,
  type ServiceRequest,
} from './decide.ts'
import type { Obtain, Obtained } from './tokens/obtain.ts'

/** A token request, read but not yet believed. */
export interface TokenRequest extends ServiceRequest {
  /** SHA-256 of all that the decision depends on; null where there is more to it than bytes. */
  digest: string | null
  ask: Ask
  /** Seconds; 0 where it is not asked for. */
  minimumTtl: number
}

/** A token request that was granted, as far as the same bytes mean the same again. */
export interface KnownRequest extends Known {
  asked: AuditRecord['asked']
  authorised: Authorised
  minimumTtl: number
}

/** A token request that was granted before, byte for byte, under the policy that is in force. */
export interface RepeatedRequest extends Repeat {
  known: KnownRequest
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
  /** Told of each request that was granted, so that it need not be read when it comes again. */
  remember: (digest: string, known: KnownRequest) => void
  /** Undefined where it is not known, or not any more: another policy is in force, or the credential proves nothing now. */
  recall: (digest: string) => KnownRequest | undefined
}

/**
 * The story of the broker: who asks, may they, the token, the record, the reply. Policy is decided on one config
 * generation and before the cache is looked at; a request that was granted under it is not decided a second time. The
 * record is written before this returns: no record, no token.
 */
export function issueToken(
  request: TokenRequest | RepeatedRequest,
  rooms: Rooms,
): Promise<Obtained> {
  const isRepeat = 'known' in request
  const asked = isRepeat ? request.known.asked : askedOf(request)
  const { minimumTtl } = isRepeat ? request.known : request
  return decide({ action: 'token', asked }, request, rooms, async inside => {
    const { service, policy, known, record } = inside
    const authorised = isRepeat
      ? request.known.authorised
      : rooms.authorise(service, request.ask, policy)
    const { grant, scopes, tolerated } = authorised
    record.upstream = grant.upstream.id
    const obtained = await rooms.obtain({ upstream: grant.upstream, scopes, minimumTtl })
    record.tolerated = rooms.refuseExcess(grant, obtained.token.scope) ?? tolerated
    record.granted = grantedOf(obtained)
    return () => {
      if (!isRepeat && request.digest !== null)
        rooms.remember(request.digest, { ...known, asked, authorised, minimumTtl })
      return obtained
    }
  })
}

/** As it stands at this moment. */
export const issuedOf = ({ token, expiresIn }: Obtained): Issued => ({
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
