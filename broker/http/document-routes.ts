import type { FastifyPluginCallback } from 'fastify'
import type { Offered } from '../access/access.ts'

/**
 * `/healthz` (the process answers), `/readyz` (config and listeners are up; not while stopping) and the authorization
 * server's metadata.
 *
 * @see RFC 8414 §2
 */
export const documentRoutes: FastifyPluginCallback<{
  issuer: string
  /** How services may authenticate. */
  offered: () => Offered
  hasBegunToStop: () => boolean
}> = (scope, { issuer, offered, hasBegunToStop }, done) => {
  scope.get('/healthz', async () => ({ status: 'ok' }))
  scope.get('/readyz', async (_, reply) => {
    if (hasBegunToStop()) return reply.code(503).send({ status: 'stopping' })
    return { status: 'ready' }
  })
  scope.get('/.well-known/oauth-authorization-server', async () => {
    const { methods, algs } = offered()
    return {
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      token_endpoint_auth_methods_supported: methods,
      ...(algs.length > 0 && { token_endpoint_auth_signing_alg_values_supported: algs }),
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
    }
  })
  done()
}
