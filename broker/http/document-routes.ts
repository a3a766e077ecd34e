import type { FastifyPluginCallback } from 'fastify'

/**
 * `/healthz` (the process answers), `/readyz` (config and listeners are up; not while stopping) and the authorization
 * server's metadata.
 *
 * @see RFC 8414 §2
 */
export const documentRoutes: FastifyPluginCallback<{
  issuer: string
  hasBegunToStop: () => boolean
}> = (scope, { issuer, hasBegunToStop }, done) => {
  scope.get('/healthz', async () => ({ status: 'ok' }))
  scope.get('/readyz', async (_, reply) => {
    if (hasBegunToStop()) return reply.code(503).send({ status: 'stopping' })
    return { status: 'ready' }
  })
  scope.get('/.well-known/oauth-authorization-server', async () => ({
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
  }))
  done()
}
