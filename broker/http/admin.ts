import { createHash, timingSafeEqual } from 'node:crypto'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { BrokerError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Status } from '../status.ts'
import { NO_STORE, sendError } from './reply.ts'

export interface Admin {
  status: () => Status
  metrics: Pick<Metrics, 'text' | 'contentType'>
  /** What an operator must show on a port; null on a Unix socket, where the file's mode says who may. */
  token: string | null
  log: FastifyBaseLogger
}

/**
 * The operator's listener: it alone tells how the broker does. Returned unlistened. Refused: `operator_refused`.
 */
export function buildAdmin({ status, metrics, token, log }: Admin): FastifyInstance {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: 10_000,
    forceCloseConnections: true,
  })
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', async (request, reply) => {
    if (token === null || isOperator(request.headers.authorization, token)) return
    return sendError(reply, new BrokerError('operator_refused'))
  })
  app.get('/status', async (_, reply) => reply.headers(NO_STORE).send(status()))
  app.get('/metrics', async (_, reply) =>
    reply
      .headers(NO_STORE)
      .type(metrics.contentType)
      .send(await metrics.text(status())),
  )
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  return app
}

/** As hashes, so that neither the time nor the length tells anything. */
function isOperator(header: string | undefined, token: string): boolean {
  const given = /^Bearer (\S+)$/i.exec(header ?? '')?.[1] ?? ''
  const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hashOf(given), hashOf(token))
}
