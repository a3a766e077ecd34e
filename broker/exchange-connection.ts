import type { Ask } from './access/authorise.ts'
import type { AuditRecord } from './audit.ts'
import { type DecisionRooms, decide, type ServiceRequest } from './decide.ts'
import { BrokerError } from './errors.ts'
import { askedOf } from './issue-token.ts'
import type { Connection } from './launch/connection.ts'
import type { Held } from './launch/keeper.ts'
import type { LaunchTarget } from './launch-config.ts'
import { coverage, parseScopeList } from './scopes.ts'
import { sameBase } from './urls.ts'

/** @see RFC 8693 §3 */
export const TOKEN_TYPES = {
  connection: 'urn:lockstep:params:oauth:token-type:connection',
  access: 'urn:ietf:params:oauth:token-type:access_token',
} as const

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** A request for the token of a connection, read but not yet believed. */
export interface ExchangeRequest extends ServiceRequest {
  ask: Ask
  /** Seconds; 0 where it is not asked for. */
  minimumTtl: number
}

/** What the EHR gave for the user, as the service may have it. @see RFC 8693 §2.2.1 */
export interface Exchanged {
  access_token: string
  issued_token_type: typeof TOKEN_TYPES.access
  token_type: 'Bearer'
  expires_in: number
  scope: string
  context: Connection['context']
  fhir_user: string | null
}

/** What the user's side has for services. */
export interface Connections {
  /** The connection of that handle. Refused: `connection_unknown`, `connection_of_another`. */
  byHandle: (handle: string, service: string) => Promise<Held>
  /** The upstreams that users log in to, by the config in force. */
  targets: () => ReadonlyMap<string, LaunchTarget>
  renew: (target: LaunchTarget, id: string, least: number) => Promise<Connection>
  /** Refused: `scope_exceeds_grant`. */
  refuseExcess: (target: LaunchTarget, granted: string) => void
  /** As it goes into the record. */
  grantedOf: (connection: Connection, now: number) => NonNullable<AuditRecord['granted']>
}

/**
 * The token of a user's connection, for the service that has its handle and that the config still names. Policy is
 * decided on every request, before the store is asked for a token.
 *
 * Refused, beside what `decide` refuses: `subject_token_missing`, `subject_token_type_unsupported`,
 * `requested_token_type_unsupported`, `connection_unknown`, `connection_of_another` and `connection_not_granted` (the
 * same from outside), `target_several`, `upstream_not_granted`, `scope_malformed`, `scope_not_granted`,
 * `scope_exceeds_grant`, and what `Renew` refuses.
 *
 * @see RFC 8693 §2
 */
export function exchangeConnection(
  request: ExchangeRequest,
  rooms: DecisionRooms & { connections: Connections },
): Promise<Exchanged> {
  const { connections, clock } = rooms
  const targets = connections.targets()
  const what = { action: 'exchange', asked: askedOf(request) } as const
  return decide(what, request, rooms, async ({ service, record }) => {
    const { connection: held } = await connections.byHandle(subjectOf(request), service)
    record.connection = held.id
    const target = targets.get(held.upstream)
    if (target?.service?.id !== service) throw new BrokerError('connection_not_granted')
    record.upstream = held.upstream
    refuseOtherTarget(request.ask, target)
    refuseWider(request.ask.scope, held.scope)
    const connection = await connections.renew(target, held.id, request.minimumTtl)
    connections.refuseExcess(target, connection.scope)
    const granted = connections.grantedOf(connection, clock().wall)
    record.granted = granted
    return () => ({
      access_token: connection.accessToken,
      issued_token_type: TOKEN_TYPES.access,
      token_type: 'Bearer',
      ...{ expires_in: granted.expires_in, scope: connection.scope },
      ...{ context: connection.context, fhir_user: connection.identity?.fhirUser ?? null },
    })
  })
}

function subjectOf({ form }: ExchangeRequest): string {
  const handle = form.get('subject_token')
  if (handle === undefined) throw new BrokerError('subject_token_missing')
  if (form.get('subject_token_type') !== TOKEN_TYPES.connection)
    throw new BrokerError('subject_token_type_unsupported')
  const wanted = form.get('requested_token_type') ?? TOKEN_TYPES.access
  if (wanted !== TOKEN_TYPES.access) throw new BrokerError('requested_token_type_unsupported')
  return handle
}

/** A connection is at one EHR: whoever names another means something else. */
function refuseOtherTarget({ resources, audience }: Ask, { upstream }: LaunchTarget): void {
  if (resources.length > 1) throw new BrokerError('target_several')
  const [resource] = resources
  const isOther = resource !== undefined && sameBase(resource) !== sameBase(upstream.fhirBase)
  if (isOther || (audience !== undefined && audience !== upstream.id))
    throw new BrokerError('upstream_not_granted')
}

/** The token is as wide as the EHR made it; who asks for more is told. */
function refuseWider(scope: string | undefined, granted: string): void {
  if (scope === undefined) return
  const scopes = parseScopeList(scope)
  if (scopes === null) throw new BrokerError('scope_malformed')
  const covered = coverage(granted.split(' '))
  if (!scopes.every(covered)) throw new BrokerError('scope_not_granted')
}
