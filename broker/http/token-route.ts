import type { FastifyPluginCallback } from 'fastify'
import { BrokerError } from '../errors.ts'
import {
  type Connections,
  type Exchanged,
  exchangeConnection,
  TOKEN_EXCHANGE,
} from '../exchange-connection.ts'
import { type Issued, issuedOf, issueToken, type Rooms } from '../issue-token.ts'
import type { Traces } from '../traces.ts'
import { traceparentOf } from './form-request.ts'
import { answerForms } from './form-route.ts'
import type { Ahead } from './known-route.ts'
import type { Stopping } from './stopping.ts'
import { TOKEN_DOCUMENT, TOKEN_URL } from './token-document.ts'
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
  ahead: Ahead
}> = (scope, { rooms, connections, stopping, around, handedOut, ahead }, done) => {
  scope.addHook('preParsing', ahead.preParsing)
  scope.addHook('onResponse', async (_, { statusCode, elapsedTime }) =>
    handedOut(statusCode, elapsedTime),
  )
  answerForms(scope, {
    ...{ url: TOKEN_URL, document: TOKEN_DOCUMENT, stopping },
    answer: (request, fault): Promise<Issued | Exchanged> => {
      const read = readTokenRequest(request, fault, ahead.digestOf(request.raw))
      const isExchange = read.form.get('grant_type') === TOKEN_EXCHANGE
      if (isExchange && connections !== null)
        return around('exchange', traceparentOf(request), () =>
          exchangeConnection(read, { ...rooms, connections }),
        )
      const own = isExchange ? new BrokerError('grant_type_unsupported') : null
      return around('token', traceparentOf(request), () =>
        issueToken({ ...read, fault: read.fault ?? own }, rooms).then(issuedOf),
      )
    },
  })
  done()
}
