import { type DecisionRooms, decide, type ServiceRequest } from './decide.ts'
import { BrokerError } from './errors.ts'
import { TOKEN_TYPES } from './exchange-connection.ts'
import type { Connection } from './launch/connection.ts'

/** A connection, handed over to the service that it was made for. */
export interface Redeemed {
  /** The subject token of its exchanges. To be kept like a password. */
  connection: string
  connection_type: typeof TOKEN_TYPES.connection
  upstream: string
  /** FHIR base URL. */
  resource: string
  scope: string
  context: Connection['context']
  fhir_user: string | null
}

/**
 * The handle that a one-use code stands for, for the service that the code was made for: the code went through a
 * browser, the handle never does.
 *
 * Refused, beside what `decide` refuses: `connection_code_missing`, `connection_code_unknown` and
 * `connection_code_of_another` (the same from outside).
 */
export function redeemCode(
  request: ServiceRequest,
  rooms: DecisionRooms & {
    redeem: (code: string, service: string) => Promise<{ handle: string; connection: Connection }>
  },
): Promise<Redeemed> {
  return decide({ action: 'connection' }, request, rooms, async ({ service, record }) => {
    const code = request.form.get('code')
    if (code === undefined) throw new BrokerError('connection_code_missing')
    const { handle, connection } = await rooms.redeem(code, service)
    record.connection = connection.id
    record.upstream = connection.upstream
    const { upstream, fhirBase, scope, context, identity } = connection
    return () => ({
      connection: handle,
      connection_type: TOKEN_TYPES.connection,
      ...{ upstream, resource: fhirBase, scope, context, fhir_user: identity?.fhirUser ?? null },
    })
  })
}
