import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import type { KeyOrder } from '../audit.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Orders } from '../keys/orders.ts'
import type { KeyOverview } from '../keys/overview.ts'
import { addressOf } from './peers.ts'
import { bodyOf, logError, NO_STORE } from './reply.ts'

export interface KeyRoutes {
  orders: Orders
  overview: () => KeyOverview[]
  /** Rejected: `audit_failed`. */
  record: (order: KeyOrder) => Promise<void>
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
export const keyRoutes: FastifyPluginCallback<KeyRoutes> = (scope, rooms, done) => {
  const { orders, overview } = rooms
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
    action: KeyOrder['action'],
    schema: T,
    carryOut: (order: Static<T>) => object | Promise<object>,
  ): void => {
    const compiled = Compile(schema)
    scope.post(`/keys/${action}`, async (request, reply) => {
      const { body } = request
      if (!compiled.Check(body)) throw new BrokerError('body_unreadable')
      const record = recorder(rooms, action, request, body as Ordered)
      try {
        const did = await carryOut(body as Static<T>)
        await record(null, did)
        return reply.headers(NO_STORE).send(did)
      } catch (error) {
        const { code } = asBrokerError(error)
        if (code !== 'audit_failed') await record(code, {})
        throw error
      }
    })
  }
  order('rotate', RotateOrder, async ({ environment, alg = null }) => ({
    rotations: await orders.rotate(environment, alg),
  }))
  order('revoke', RevokeOrder, ({ kid, reason }) => orders.revoke(kid, reason))
  order('release', ReleaseOrder, ({ kid }) => orders.release(kid))
  done()
}

type Ordered = Partial<KeyOrder['order']>

/** What is not known here may be anything, a secret misplaced: then only the code is recorded. */
const UNKNOWN: ReadonlySet<string> = new Set(['key_unknown', 'environment_unknown'])

/**
 * Records an order before the reply leaves. Without a record there is no release and no word that a rotation is begun;
 * a revocation stands and is answered, whatever the disk says.
 */
const recorder =
  (
    { record }: Pick<KeyRoutes, 'record'>,
    action: KeyOrder['action'],
    request: FastifyRequest,
    { kid = null, alg = null, environment = null, reason = null }: Ordered,
  ) =>
  async (code: string | null, did: { environment?: unknown }): Promise<void> => {
    const where = typeof did.environment === 'string' ? did.environment : environment
    const order = { environment: where, kid, alg, reason: code === null ? reason : null }
    const isKnown = code === null || !UNKNOWN.has(code)
    try {
      await record({
        ...{ action, code, address: addressOf(request) },
        order: isKnown ? order : { environment: null, kid: null, alg, reason: null },
      })
    } catch (error) {
      if (code === null && action !== 'revoke') throw error
      logError(request.log, asBrokerError(error))
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
