import type { FastifyError, FastifyPluginCallback, FastifyRequest } from 'fastify'
import { asBrokerError, BrokerError } from '../errors.ts'
import { type ReportRequest, type ReportRooms, reportToken } from '../report-token.ts'
import type { Traces } from '../traces.ts'
import { readForm, traceparentOf } from './form-request.ts'
import { frameworkFault, takeText } from './framework.ts'
import { logError, NO_STORE, sendError } from './reply.ts'
import type { Stopping } from './stopping.ts'

/** `POST /oauth2/report`: a token that an EHR answered 401 to. Whatever is known of it, the reply is the same. */
export const reportRoute: FastifyPluginCallback<{
  rooms: ReportRooms
  stopping: Stopping
  around: Traces['around']
}> = (scope, { rooms, stopping, around }, done) => {
  const answer = (request: FastifyRequest, fault: BrokerError | null = null): Promise<void> =>
    around('report', traceparentOf(request), () => reportToken(readReport(request, fault), rooms))
  takeText(scope)
  scope.all('/oauth2/report', async (request, reply) => {
    await stopping.track(answer(request))
    return reply.headers(NO_STORE).send({})
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

function readReport(request: FastifyRequest, fault: BrokerError | null = null): ReportRequest {
  const read = readForm(request)
  return { ...read, token: read.form.get('token'), fault: fault ?? read.fault }
}
