import type { FastifyPluginCallback, FastifySchema } from 'fastify'
import Type from 'typebox'
import type { Offered } from '../access/access.ts'
import { docsRoutes } from './docs-routes.ts'

/**
 * `/healthz` (the process answers), `/readyz` (config and listeners are up; not while stopping), the authorization
 * server's metadata, and with `docs` the interface as `/openapi.json` and, for people, `/docs`.
 *
 * @see RFC 8414 §2
 */
export const documentRoutes: FastifyPluginCallback<{
  issuer: string
  docs: boolean
  /** The grant types that are offered. */
  grantTypes: readonly string[]
  /** How services may authenticate. */
  offered: () => Offered
  hasBegunToStop: () => boolean
}> = (scope, { issuer, docs, grantTypes, offered, hasBegunToStop }, done) => {
  scope.get('/healthz', { config: { document: HEALTH } }, async () => ({ status: 'ok' }))
  scope.get('/readyz', { config: { document: READINESS } }, async (_, reply) => {
    if (hasBegunToStop()) return reply.code(503).send({ status: 'stopping' })
    return { status: 'ready' }
  })
  const url = '/.well-known/oauth-authorization-server'
  scope.get(url, { config: { document: METADATA } }, async () => {
    const { methods, algs } = offered()
    return {
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      token_endpoint_auth_methods_supported: methods,
      ...(algs.length > 0 && { token_endpoint_auth_signing_alg_values_supported: algs }),
      grant_types_supported: grantTypes,
      response_types_supported: [],
      ...(docs && { service_documentation: `${issuer}/docs` }),
    }
  })
  if (docs) scope.register(docsRoutes)
  done()
}

const stateOf = (status: string, description: string) =>
  Type.Object({ status: Type.Literal(status) }, { description })

const HEALTH: FastifySchema = {
  ...{ operationId: 'health', tags: ['about'], summary: 'Whether the process answers' },
  response: { 200: stateOf('ok', 'It answers.') },
}

const READINESS: FastifySchema = {
  ...{ operationId: 'readiness', tags: ['about'], summary: 'Whether requests should come here' },
  response: {
    200: stateOf('ready', 'Config and listeners are up.'),
    503: stateOf('stopping', 'It answers what is under way, and stops.'),
  },
}

const METADATA: FastifySchema = {
  operationId: 'metadata',
  tags: ['about'],
  summary: 'The authorization server’s metadata (RFC 8414)',
  response: {
    200: Type.Object(
      {
        issuer: Type.String({ format: 'uri' }),
        token_endpoint: Type.String({ format: 'uri' }),
        token_endpoint_auth_methods_supported: Type.Array(Type.String(), {
          description: 'The ways that at least one client has.',
        }),
        token_endpoint_auth_signing_alg_values_supported: Type.Optional(Type.Array(Type.String())),
        grant_types_supported: Type.Array(Type.String()),
        response_types_supported: Type.Array(Type.String(), {
          description: 'None: there is no authorization endpoint.',
        }),
        service_documentation: Type.Optional(Type.String({ format: 'uri' })),
      },
      { description: 'How a library finds its way.' },
    ),
  },
}
