import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Orders } from '../keys/orders.ts'
import type { KeyOverview } from '../keys/overview.ts'
import { bodyOf, logError, NO_STORE } from './reply.ts'

export interface KeyRoutes {
  orders: Orders
  overview: () => KeyOverview[]
}

/** Bytes. A reason has 500 characters. */
const MOST_BYTES = 16 * 1024

const closed = { additionalProperties: false }
const Name = Type.String({ minLength: 1, maxLength: 200 })
const RotateOrder = Type.Object({ environment: Name, alg: Type.Optional(Type.Enum(ALGS)) }, closed)
const RevokeOrder = Type.Object({ kid: Name, reason: Type.String({ maxLength: 2000 }) }, closed)
const ReleaseOrder = Type.Object({ kid: Name }, closed)

/**
 * What an operator may see of keys and order about them. Refused, beside what the orders refuse: `request_cross_site`,
 * `body_unreadable`, `body_too_large`.
 */
export const keyRoutes: FastifyPluginCallback<KeyRoutes> = (scope, { orders, overview }, done) => {
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: MOST_BYTES },
    (_, body, finish) => finish(null, parsed(String(body))),
  )
  scope.setErrorHandler((thrown: Error & { statusCode?: number }, request, reply) =>
    refuse(request, reply, asRefusal(thrown)),
  )
  scope.addHook('onRequest', async request => {
    if (request.method === 'POST' && isFromElsewhere(request))
      throw new BrokerError('request_cross_site')
  })
  scope.get('/keys', async (_, reply) => reply.headers(NO_STORE).send({ environments: overview() }))
  const order = <T extends TSchema>(
    path: string,
    schema: T,
    carryOut: (order: Static<T>) => object | Promise<object>,
  ): void => {
    const compiled = Compile(schema)
    scope.post(path, async (request, reply) => {
      if (!compiled.Check(request.body)) throw new BrokerError('body_unreadable')
      return reply.headers(NO_STORE).send(await carryOut(request.body as Static<T>))
    })
  }
  order('/keys/rotate', RotateOrder, async ({ environment, alg = null }) => ({
    rotations: await orders.rotate(environment, alg),
  }))
  order('/keys/revoke', RevokeOrder, ({ kid, reason }) => orders.revoke(kid, reason))
  order('/keys/release', ReleaseOrder, ({ kid }) => orders.release(kid))
  done()
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
