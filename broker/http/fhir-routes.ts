import type { FastifyPluginCallback } from 'fastify'
import Type from 'typebox'
import type { FhirChecked, FhirOrder } from '../check-fhir.ts'
import { takeOrders } from './order-scope.ts'
import { addressOf } from './peers.ts'

export interface FhirRoutes {
  check: (order: FhirOrder, request: { id: string; address: string }) => Promise<FhirChecked>
  newId: () => string
}

/** Bytes of a resource that is written. */
const MOST_BYTES = 1024 * 1024

const closed = { additionalProperties: false }
const Name = Type.String({ minLength: 1, maxLength: 200 })
const Path = Type.String({ minLength: 1, maxLength: 5000 })
const CheckOrder = Type.Union([
  Type.Object({ upstream: Name, method: Type.Literal('GET'), path: Path }, closed),
  Type.Object(
    {
      ...{ upstream: Name, method: Type.Enum(['PUT', 'POST']), path: Path },
      resource: Type.Object({ resourceType: Name }),
    },
    closed,
  ),
])

/**
 * Has the broker call a FHIR server in the operator's place. A POST also where it reads: what is asked for stands in no
 * URL, and no page of a stranger can ask. Refused: what taking an order and the check refuse.
 */
export const fhirRoutes: FastifyPluginCallback<FhirRoutes> = (scope, { check, newId }, done) => {
  takeOrders(scope, MOST_BYTES)('/fhir', CheckOrder, (order, request) =>
    check(order as FhirOrder, { id: newId(), address: addressOf(request) }),
  )
  done()
}
