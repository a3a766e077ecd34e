import type { FastifyError, FastifyPluginCallback } from 'fastify'
import { asBrokerError, BrokerError, type ErrorCode } from '../errors.ts'
import { issueToken, type Rooms, type TokenRequest } from '../issue-token.ts'
import { logError, NO_STORE, sendError } from './reply.ts'
import type { Stopping } from './stopping.ts'
import { readTokenRequest } from './token-request.ts'

/** Bytes. A Kubernetes service-account token, the longest credential a service sends, is about 2 KB. */
const MOST_BODY_BYTES = 32 * 1024

/** What Fastify finds wrong before the body is ours to read. */
const FRAMEWORK_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'content_type_wrong',
}

/** `POST /oauth2/token`, and every other method, which is refused as RFC 6749 would have it. */
export const tokenRoute: FastifyPluginCallback<{ rooms: Rooms; stopping: Stopping }> = (
  scope,
  { rooms, stopping },
  done,
) => {
  // Every type is taken as text, since a wrong one is a refusal to record and not the framework's to answer.
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    '*',
    { parseAs: 'string', bodyLimit: MOST_BODY_BYTES },
    (_, body, next) => next(null, body),
  )

  scope.all('/oauth2/token', async (request, reply) => {
    const issued = await stopping.track(issueToken(readTokenRequest(request), rooms))
    return reply.headers(NO_STORE).send(issued)
  })

  scope.setErrorHandler(async (thrown: FastifyError | BrokerError, request, reply) => {
    const error =
      thrown instanceof BrokerError
        ? thrown
        : await record(readTokenRequest(request, fault(thrown)), rooms)
    logError(request.log, error)
    return sendError(reply, error)
  })
  done()
}

function fault(thrown: FastifyError): BrokerError {
  const code = FRAMEWORK_CODES[thrown.code]
  if (code !== undefined) return new BrokerError(code)
  const isCallers = thrown.statusCode !== undefined && thrown.statusCode < 500
  return new BrokerError(isCallers ? 'body_unreadable' : 'internal', {}, { cause: thrown })
}

const record = (request: TokenRequest, rooms: Rooms): Promise<BrokerError> =>
  issueToken(request, rooms).then(
    () => new BrokerError('internal'),
    error => asBrokerError(error),
  )
