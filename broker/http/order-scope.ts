import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { asBrokerError, BrokerError } from '../errors.ts'
import { bodyOf, logError, NO_STORE } from './reply.ts'

/** Makes a path take orders of one form; the reply is what carrying one out gives. */
export type Order = <T extends TSchema>(
  path: string,
  schema: T,
  carryOut: (order: Static<T>, request: FastifyRequest) => object | Promise<object>,
) => void

/**
 * Makes a part of the operator's listener one that takes orders, as JSON of at most so many bytes. Refused, beside what
 * carrying out refuses: `request_cross_site`, `body_unreadable`, `body_too_large`.
 */
export function takeOrders(scope: FastifyInstance, mostBytes: number): Order {
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: mostBytes },
    (_, body, finish) => finish(null, parsed(String(body))),
  )
  scope.setErrorHandler((thrown: Error & { statusCode?: number }, request, reply) =>
    refuse(request, reply, asRefusal(thrown)),
  )
  scope.addHook('onRequest', async request => {
    if (request.method === 'POST' && isFromElsewhere(request))
      throw new BrokerError('request_cross_site')
  })
  return (path, schema, carryOut) => {
    const compiled = Compile(schema)
    scope.post(path, async (request, reply) => {
      if (!compiled.Check(request.body)) throw new BrokerError('body_unreadable')
      const order = request.body as Static<typeof schema>
      return reply.headers(NO_STORE).send(await carryOut(order, request))
    })
  }
}

/**
 * A page of a stranger in the operator's browser may send a form to us, though it cannot read what we answer. It cannot
 * send JSON unasked, and the browser says where it is from.
 *
 * @see Fetch Metadata, Sec-Fetch-Site · Fetch, CORS-preflight
 */
function isFromElsewhere({ headers }: FastifyRequest): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return true
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  return origin !== undefined && origin !== `http://${host}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BrokerError('body_unreadable')
  }
}

function asRefusal(thrown: Error & { statusCode?: number }): BrokerError {
  if (thrown.statusCode === 413) return new BrokerError('body_too_large')
  if (thrown.statusCode !== undefined && thrown.statusCode < 500)
    return new BrokerError('body_unreadable')
  return asBrokerError(thrown)
}

/** The operator is told all that is known. */
function refuse(request: FastifyRequest, reply: FastifyReply, error: BrokerError): FastifyReply {
  logError(request.log, error)
  return reply
    .code(error.row.status)
    .headers(NO_STORE)
    .send({ ...bodyOf(error), facts: error.facts })
}
