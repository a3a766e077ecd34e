import Type, { type TProperties } from 'typebox'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** By which ways a client may come in; the empty one stands for the parameters of the form. */
export const SECURITY: Record<string, string[]>[] = [
  { client_secret_basic: [] },
  { tls_client_auth: [] },
  {},
]

/** OpenAPI knows no scheme for credentials in a form: `client_secret_post` and assertions are parameters. */
export const SECURITY_SCHEMES = {
  client_secret_basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The id and the secret of the service, each form-encoded first (RFC 6749 §2.3.1).',
  },
  tls_client_auth: {
    type: 'mutualTLS',
    description: 'The client certificate of the connection (RFC 8705), where the listener asks.',
  },
} as const

/** The parameters by which a client authenticates in the form. */
const CREDENTIALS = {
  client_id: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]+$',
      description: 'The id of the service: with `client_secret`; elsewhere it may be left out.',
    }),
  ),
  client_secret: Type.Optional(
    Type.String({ format: 'password', description: 'The secret (`client_secret_post`).' }),
  ),
  client_assertion_type: Type.Optional(
    Type.Literal(JWT_BEARER, { description: `With \`client_assertion\`: \`${JWT_BEARER}\`` }),
  ),
  client_assertion: Type.Optional(
    Type.String({
      description:
        'A JWT: one that the service has signed (`private_key_jwt`, RFC 7523), or the token of its platform, such as a Kubernetes service account.',
    }),
  ),
}

/** A form with these parameters and those of authentication. A parameter without a value counts as left out. */
export const formOf = <Own extends TProperties>(own: Own) =>
  Type.Object(
    { ...own, ...CREDENTIALS },
    {
      dependentRequired: {
        client_secret: ['client_id'],
        client_assertion: ['client_assertion_type'],
        client_assertion_type: ['client_assertion'],
      },
    },
  )

export const FORM_TYPE = 'application/x-www-form-urlencoded'

/** Of every reply to a form. @see RFC 6749 §5.1 */
export const NO_STORE_HEADERS = {
  'Cache-Control': Type.Literal('no-store', { description: 'No reply is ever kept by a cache.' }),
}
