import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { ErrorBody } from './error-document.ts'
import { SECURITY_SCHEMES } from './form-document.ts'
import { TokenReply } from './token-document.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * What the OpenAPI document says of the route. It is no `schema`, since Fastify would judge requests by one before
     * they are ours to record, and leave out of replies what it does not name.
     */
    document?: FastifySchema
  }
}

const ABOUT = `Lockstep's broker gives internal services the access tokens of EHRs. It is an OAuth 2.0 authorization
server with the grant \`client_credentials\`, and where users log in at EHRs also that of token exchange (RFC 8693). Of
its own it has an endpoint by which a service reports a token that an EHR no longer takes, and one by which it takes over
the connection of a user.

A client authenticates in one way: by secret (HTTP Basic, or \`client_id\` and \`client_secret\` in the form), by a JWT
(\`client_assertion\` in the form), or by its TLS certificate. The metadata says which of them are in use here.`

/** Has every route that is registered from now on described, where it says of itself what it does. */
export function collectDocument(app: FastifyInstance, issuer: string): void {
  app.addSchema(ErrorBody)
  app.addSchema(TokenReply)
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Lockstep broker', version: '1', description: ABOUT },
      servers: [{ url: issuer }],
      tags: [
        { name: 'tokens', description: 'For services' },
        { name: 'connections', description: 'For services whose users log in at an EHR' },
        { name: 'about', description: 'For libraries, load balancers and people' },
      ],
      // The types of the library do not know mutualTLS, which is of OpenAPI 3.1.
      components: {
        securitySchemes: SECURITY_SCHEMES as object as Record<string, { $ref: string }>,
      },
    },
    transform: ({ route, url }) => ({ schema: route.config?.document ?? { hide: true }, url }),
    refResolver: { buildLocalReference: json => String(json['$id']) },
    convertConstToEnum: false,
  })
}
