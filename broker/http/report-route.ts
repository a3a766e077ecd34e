import type { FastifyError, FastifyPluginCallback, FastifyRequest } from 'fastify'
import { asBrokerError, BrokerError } from '../errors.ts'
import { type ReportRequest, type ReportRooms, reportToken } from '../report-token.ts'
import { readForm } from './form-request.ts'
import { frameworkFault, takeText } from './framework.ts'
import { logError, NO_STORE, sendError } from './reply.ts'
import type { Stopping } from './stopping.ts'

/** `POST /oauth2/report`: a token that an EHR answered 401 to. Whatever is known of it, the reply is the same. */
export const reportRoute: FastifyPluginCallback<{ rooms: ReportRooms; stopping: Stopping }> = (
  scope,
  { rooms, stopping },
  done,
) => {
  takeText(scope)
  scope.all('/oauth2/report', async (request, reply) => {
    await stopping.track(reportToken(readReport(request), rooms))
    return reply.headers(NO_STORE).send({})
  })

  scope.setErrorHandler(async (thrown: FastifyError | BrokerError, request, reply) => {
    const error =
      thrown instanceof BrokerError
        ? thrown
        : await reportToken(readReport(request, frameworkFault(thrown)), rooms).then(
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
