import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import Type, { type Static, type TSchema } from 'typebox'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import type { KeyOrder } from '../audit.ts'
import { asBrokerError } from '../errors.ts'
import type { Orders } from '../keys/orders.ts'
import type { KeyOverview } from '../keys/overview.ts'
import { takeOrders } from './order-scope.ts'
import { addressOf } from './peers.ts'
import { logError, NO_STORE } from './reply.ts'

export interface KeyRoutes {
  orders: Orders
  /** As it is now: whoever waits for what another broker says asks again and again. */
  latest: () => Promise<KeyOverview[]>
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

/** What an operator may see of keys and order about them. Refused: what taking an order and carrying it out refuse. */
export const keyRoutes: FastifyPluginCallback<KeyRoutes> = (scope, rooms, done) => {
  const { orders, latest } = rooms
  const take = takeOrders(scope, MOST_BYTES)
  scope.get('/keys', async (_, reply) =>
    reply.headers(NO_STORE).send({ environments: await latest() }),
  )
  const order = <T extends TSchema>(
    action: KeyOrder['action'],
    schema: T,
    carryOut: (order: Static<T>) => object | Promise<object>,
  ): void =>
    take(`/keys/${action}`, schema, async (body, request) => {
      const record = recorder(rooms, action, request, body as Ordered)
      try {
        const did = await carryOut(body)
        await record(null, did)
        return did
      } catch (error) {
        const { code } = asBrokerError(error)
        if (code !== 'audit_failed') await record(code, {})
        throw error
      }
    })
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
