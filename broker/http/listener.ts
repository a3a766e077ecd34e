import { randomUUID } from 'node:crypto'
import type { Server as SecureServer } from 'node:tls'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import type { Config } from '../config.ts'
import { BrokerError } from '../errors.ts'
import { sendError } from './reply.ts'

/** The services' listener, without routes. Not listening yet. */
export function listenerFor({ listen }: Config, log: FastifyBaseLogger): FastifyInstance {
  const options = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    trustProxy: listen.trustedProxies.length > 0 ? [...listen.trustedProxies] : false,
    /** Milliseconds for a whole request to arrive: a caller that dribbles holds no connection for ever. */
    requestTimeout: 10_000,
    forceCloseConnections: 'idle' as const,
    frameworkErrors: (_: unknown, __: unknown, reply: FastifyReply) =>
      sendError(reply, new BrokerError('not_found')),
  }
  return listen.tls
    ? (fastify({
        ...options,
        https: { ...listen.tls, minVersion: 'TLSv1.2' },
      }) as unknown as FastifyInstance)
    : fastify(options)
}

/** A certificate that was renewed, for the connections that begin from now on. */
export function takeIdentity(app: FastifyInstance, tls: { cert: string; key: string }): void {
  const server = app.server as unknown as SecureServer
  server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' })
}
