import type { FastifyError, FastifyInstance, FastifySchema, RouteHandlerMethod } from 'fastify'
import { BrokerError, type ErrorCode } from '../errors.ts'

/** Bytes. A Kubernetes service-account token, the longest credential a service sends, is about 2 KB. */
const MOST_BODY_BYTES = 32 * 1024

/**
 * A form that is posted to `url`. Any other method, and any type, is taken too: as text, since a wrong one is a refusal
 * to record and not the framework's to answer.
 */
export function takeForms(
  scope: FastifyInstance,
  url: string,
  document: FastifySchema,
  handler: RouteHandlerMethod,
): void {
  takeText(scope)
  scope.post(url, { config: { document } }, handler)
  scope.route({ method: scope.supportedMethods.filter(each => each !== 'POST'), url, handler })
}

export function takeText(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    '*',
    { parseAs: 'string', bodyLimit: MOST_BODY_BYTES },
    (_, body, next) => next(null, body),
  )
}

/** What Fastify finds wrong before the body is ours to read. */
const FRAMEWORK_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'content_type_wrong',
}

export function frameworkFault(thrown: FastifyError): BrokerError {
  const code = FRAMEWORK_CODES[thrown.code]
  if (code !== undefined) return new BrokerError(code)
  const isCallers = thrown.statusCode !== undefined && thrown.statusCode < 500
  return new BrokerError(isCallers ? 'body_unreadable' : 'internal', {}, { cause: thrown })
}
