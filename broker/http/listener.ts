import { randomUUID } from 'node:crypto'
import type { Server as SecureServer } from 'node:tls'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import type { Config } from '../config.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Listen } from '../listen-config.ts'
import { collectDocument } from './openapi.ts'
import { nameSocketPeers, trustIn } from './peers.ts'
import { logError, sendError } from './reply.ts'

/** The services' listener, without routes. Not listening yet. */
export function listenerFor(config: Config, log: FastifyBaseLogger): FastifyInstance {
  const app = frameworkFor(config.listen, log)
  if (config.listen.docs) collectDocument(app, config.issuer)
  return app
}

/**
 * A listener without routes, for services or for browsers. `refuse` answers what the framework itself cannot read. Not
 * listening yet.
 */
export function frameworkFor(
  listen: Listen,
  log: FastifyBaseLogger,
  refuse: (error: BrokerError, reply: FastifyReply) => FastifyReply = (error, reply) =>
    sendError(reply, error),
): FastifyInstance {
  const options = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    trustProxy: trustIn(listen),
    /** Milliseconds for a whole request to arrive: a caller that dribbles holds no connection for ever. */
    requestTimeout: 10_000,
    forceCloseConnections: 'idle' as const,
    frameworkErrors: (_: unknown, __: unknown, reply: FastifyReply) =>
      refuse(new BrokerError('not_found'), reply),
  }
  if (listen.socket !== null) return nameSocketPeers(fastify(options))
  if (listen.tls === null) return fastify(options)
  // Whoever has no certificate, or a strange one, may still have a secret.
  const asking = listen.tls.clientCa !== null && { requestCert: true, rejectUnauthorized: false }
  return fastify({
    ...options,
    https: { ...secureContext(listen.tls), ...asking },
  }) as unknown as FastifyInstance
}

/** What no route of ours is for, a body where none is read included, is not found. */
export function refuseTheRest(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  app.setErrorHandler((thrown: Error & { statusCode?: number }, request, reply) => {
    // The framework's own word.
    const isNobodys = thrown.statusCode !== undefined && thrown.statusCode < 500
    const error = isNobodys ? new BrokerError('not_found') : asBrokerError(thrown)
    logError(request.log, error)
    return sendError(reply, error)
  })
}

export const secureContext = ({ cert, key, clientCa }: Tls) => ({
  ...{ cert, key, minVersion: 'TLSv1.2' as const },
  ...(clientCa !== null && { ca: clientCa }),
})

type Tls = NonNullable<Listen['tls']>

/** A certificate that was renewed, and other authorities for clients, for the connections that begin from now on. */
export function takeIdentity(app: FastifyInstance, tls: Tls): void {
  const server = app.server as unknown as SecureServer
  server.setSecureContext(secureContext(tls))
}
