import type { FastifyError, FastifyPluginCallback, FastifyRequest } from 'fastify'
import { asBrokerError, BrokerError } from '../errors.ts'
import {
  type Connections,
  type Exchanged,
  exchangeConnection,
  TOKEN_EXCHANGE,
} from '../exchange-connection.ts'
import { type Issued, issueToken, type Rooms } from '../issue-token.ts'
import type { Traces } from '../traces.ts'
import { traceparentOf } from './form-request.ts'
import { frameworkFault, takeForms } from './framework.ts'
import { logError, NO_STORE, sendError } from './reply.ts'
import type { Stopping } from './stopping.ts'
import { TOKEN_DOCUMENT } from './token-document.ts'
import { readTokenRequest } from './token-request.ts'

/** `POST /oauth2/token`, and every other method, which is refused as RFC 6749 would have it. */
export const tokenRoute: FastifyPluginCallback<{
  rooms: Rooms
  /** The connections of users; null where there are none. */
  connections: Connections | null
  stopping: Stopping
  around: Traces['around']
  /** Told of each reply, and how long it took. */
  handedOut: (status: number, milliseconds: number) => void
}> = (scope, { rooms, connections, stopping, around, handedOut }, done) => {
  const answer = (
    request: FastifyRequest,
    fault: BrokerError | null = null,
  ): Promise<Issued | Exchanged> => {
    const read = readTokenRequest(request, fault)
    const isExchange = read.form.get('grant_type') === TOKEN_EXCHANGE
    if (isExchange && connections !== null)
      return around('exchange', traceparentOf(request), () =>
        exchangeConnection(read, { ...rooms, connections }),
      )
    const own = isExchange ? new BrokerError('grant_type_unsupported') : null
    return around('token', traceparentOf(request), () =>
      issueToken({ ...read, fault: read.fault ?? own }, rooms),
    )
  }
  scope.addHook('onResponse', async (_, { statusCode, elapsedTime }) =>
    handedOut(statusCode, elapsedTime),
  )
  takeForms(scope, '/oauth2/token', TOKEN_DOCUMENT, async (request, reply) => {
    const issued = await stopping.track(answer(request))
    return reply.headers(NO_STORE).send(issued)
  })

  scope.setErrorHandler(async (thrown: FastifyError | BrokerError, request, reply) => {
    const error =
      thrown instanceof BrokerError
        ? thrown
        : await answer(request, frameworkFault(thrown)).then(
            () => new BrokerError('internal'),
            asBrokerError,
          )
    logError(request.log, error)
    return sendError(reply, error)
  })
  done()
}
