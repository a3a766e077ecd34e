import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { BrokerError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { MetricsAddress } from '../metrics-config.ts'
import type { Status } from '../status.ts'
import { showsToken } from './bearer.ts'
import { secureContext } from './listener.ts'
import { NO_STORE, sendError } from './reply.ts'

/** A listener for Prometheus alone: `/metrics` and nothing else. Returned unlistened. Refused: `operator_refused`. */
export function buildMetricsListener(
  { token, tls }: Pick<MetricsAddress, 'token' | 'tls'>,
  {
    status,
    metrics,
    log,
  }: {
    status: () => Status
    metrics: Pick<Metrics, 'text' | 'contentType'>
    log: FastifyBaseLogger
  },
): FastifyInstance {
  const options = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: 10_000,
    forceCloseConnections: true,
  }
  const app =
    tls === null
      ? fastify(options)
      : (fastify({
          ...options,
          https: secureContext({ ...tls, clientCa: null }),
        }) as unknown as FastifyInstance)
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', async (request, reply) => {
    if (token === null || showsToken(request.headers.authorization, token)) return
    return sendError(reply, new BrokerError('operator_refused'))
  })
  app.get('/metrics', async (_, reply) =>
    reply
      .headers({ ...NO_STORE, 'x-content-type-options': 'nosniff' })
      .type(metrics.contentType)
      .send(await metrics.text(status())),
  )
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  return app
}
