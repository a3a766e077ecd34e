import { type CheckRooms, checkFhir } from './check-fhir.ts'
import type { FhirRoutes } from './http/fhir-routes.ts'
import type { Connections } from './upstream/connections.ts'
import { fhirThrough, MOST_FHIR_BYTES } from './upstream/fhir-client.ts'
import { fhirUrl, withoutValues } from './upstream/fhir-url.ts'

interface Ports extends Omit<CheckRooms, 'call' | 'urlOf' | 'withoutValues'> {
  connections: Pick<Connections, 'dispatcherFor'>
  newId: () => string
}

/** The operator's look at FHIR servers, assembled. Each call has a connection of its own: there are few. */
export const openFhirWork = ({ connections, newId, ...rooms }: Ports): FhirRoutes => ({
  newId,
  check: (order, request) =>
    checkFhir(order, request, {
      ...{ ...rooms, urlOf: fhirUrl, withoutValues },
      call: async (upstream, ...rest) => {
        // Room for what makes the answer too large, so that it is told as that.
        const dispatcher = connections.dispatcherFor(upstream, 2 * MOST_FHIR_BYTES)
        try {
          return await fhirThrough(dispatcher)(upstream, ...rest)
        } finally {
          await dispatcher.destroy()
        }
      },
    }),
})
