import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { BrokerError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Status } from '../status.ts'
import { showsToken } from './bearer.ts'
import { dashboardRoutes, isPage } from './dashboard-routes.ts'
import { type FhirRoutes, fhirRoutes } from './fhir-routes.ts'
import { type KeyRoutes, keyRoutes } from './key-routes.ts'
import { nameSocketPeers } from './peers.ts'
import { NO_STORE, sendError } from './reply.ts'

export interface Admin {
  status: () => Status
  metrics: Pick<Metrics, 'text' | 'contentType'>
  keys: KeyRoutes
  fhir: FhirRoutes
  /** What an operator must show on a port; null on a Unix socket, where the file's mode says who may. */
  token: string | null
  log: FastifyBaseLogger
}

/**
 * The operator's listener: it alone tells how the broker does. Returned unlistened. The page itself has nothing of the
 * broker in it and is given without a token, since a browser could show none. Refused: `operator_refused`,
 * `host_refused`.
 */
export function buildAdmin({ status, metrics, keys, fhir, token, log }: Admin): FastifyInstance {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: 10_000,
    forceCloseConnections: true,
  })
  if (token === null) nameSocketPeers(app)
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', async (request, reply) => {
    if (!isOurName(request.hostname)) return sendError(reply, new BrokerError('host_refused'))
    if (token === null || isPage(request.routeOptions.url)) return
    if (showsToken(request.headers.authorization, token)) return
    return sendError(reply, new BrokerError('operator_refused'))
  })
  app.register(dashboardRoutes, { asksToken: token !== null })
  app.register(keyRoutes, keys)
  app.register(fhirRoutes, fhir)
  app.get('/status', async (_, reply) => reply.headers(PRIVATE).send(status()))
  app.get('/metrics', async (_, reply) =>
    reply
      .headers(PRIVATE)
      .type(metrics.contentType)
      .send(await metrics.text(status())),
  )
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  return app
}

const PRIVATE = {
  ...NO_STORE,
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const

/**
 * A socket that is forwarded to an operator's machine asks for no token there. A page of a stranger in the same browser
 * could then reach it under a name of its own that it points at 127.0.0.1, and read what it answers.
 */
const isOurName = (host: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(host)
