import type { FastifyPluginCallback } from 'fastify'
import Type from 'typebox'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import type { Orders } from '../keys/orders.ts'
import type { KeyOverview } from '../keys/overview.ts'
import { takeOrders } from './order-scope.ts'
import { NO_STORE } from './reply.ts'

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

/** What an operator may see of keys and order about them. Refused: what taking an order and carrying it out refuse. */
export const keyRoutes: FastifyPluginCallback<KeyRoutes> = (scope, { orders, overview }, done) => {
  const order = takeOrders(scope, MOST_BYTES)
  scope.get('/keys', async (_, reply) => reply.headers(NO_STORE).send({ environments: overview() }))
  order('/keys/rotate', RotateOrder, ({ environment, alg = null }) => ({
    rotations: orders.rotate(environment, alg),
  }))
  order('/keys/revoke', RevokeOrder, ({ kid, reason }) => orders.revoke(kid, reason))
  order('/keys/release', ReleaseOrder, ({ kid }) => orders.release(kid))
  done()
}
