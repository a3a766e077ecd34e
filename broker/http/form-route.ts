import type { FastifyError, FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { asBrokerError, BrokerError } from '../errors.ts'
import { frameworkFault, takeForms } from './framework.ts'
import { logError, NO_STORE, sendError } from './reply.ts'
import type { Stopping } from './stopping.ts'

interface FormRoute {
  url: string
  document: FastifySchema
  stopping: Stopping
  /** The story, with what the framework has found wrong already; it is told all the same, since it is recorded. */
  answer: (request: FastifyRequest, fault: BrokerError | null) => Promise<object>
}

/** A form that is answered with JSON, or refused as RFC 6749 would have it; nothing of either is kept by a cache. */
export function answerForms(
  scope: FastifyInstance,
  { url, document, stopping, answer }: FormRoute,
): void {
  takeForms(scope, url, document, async (request, reply) => {
    const answered = await stopping.track(answer(request, null))
    return reply.headers(NO_STORE).send(answered)
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
}
