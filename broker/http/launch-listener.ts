import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Listen } from '../listen-config.ts'
import { takeText } from './framework.ts'
import { browserHeaders } from './launch-pages.ts'
import { type LaunchRoutes, launchRoutes } from './launch-routes.ts'
import { frameworkFor } from './listener.ts'
import { bodyOf } from './reply.ts'
import { watchStopping } from './stopping.ts'

/** The listener that people's browsers come to: it alone has the launch routes, and nothing else. Not listening yet. */
export function buildLaunchListener(
  listen: Listen,
  log: FastifyBaseLogger,
  routes: Omit<LaunchRoutes, 'stopping'>,
): FastifyInstance {
  const app = frameworkFor(listen, log, (error, reply) =>
    reply.code(error.row.status).headers(browserHeaders([])).send(bodyOf(error)),
  )
  const stopping = watchStopping(app)
  takeText(app)
  app.register(launchRoutes, { ...routes, stopping })
  app.addHook('onClose', () => stopping.settled())
  return app
}
