import type { FastifySchema } from 'fastify'
import Type from 'typebox'
import { errorReplies, TOKEN_CODES } from './error-document.ts'
import { FORM_TYPE, formOf, NO_STORE_HEADERS, SECURITY } from './form-document.ts'

const TokenForm = formOf({
  grant_type: Type.Literal('client_credentials', { description: '`client_credentials`' }),
  audience: Type.Optional(
    Type.String({
      description:
        'The id of the upstream, as the config of the broker has it. It or `resource` may be left out by a service with one grant.',
    }),
  ),
  resource: Type.Optional(
    Type.String({
      format: 'uri',
      description: 'The FHIR base URL of the EHR (RFC 8707). Ask for one at a time.',
    }),
  ),
  scope: Type.Optional(
    Type.String({
      description: 'Fewer scopes than the grant has, separated by spaces; all of them if left out.',
    }),
  ),
  minimum_ttl: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 86_400 },
      description: 'Seconds that the token must still live.',
    }),
  ),
})

/** @see RFC 6749 §5.1 */
export const TokenReply = Type.Object(
  {
    access_token: Type.String({ description: 'Show it to the EHR, and keep it out of logs.' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({
      minimum: 0,
      description: 'Seconds that the token still lives, true at this moment.',
    }),
    scope: Type.String({ description: 'What the EHR granted.' }),
  },
  { $id: 'TokenReply', description: 'An access token of the EHR.' },
)

export const TOKEN_DOCUMENT: FastifySchema = {
  operationId: 'requestToken',
  tags: ['tokens'],
  summary: 'Ask for an access token of an EHR',
  description:
    'It is served from memory while one is held that lives long enough, so ask as often as you need one. Parameters that are not named here are ignored; one that is given twice is refused.',
  security: SECURITY,
  consumes: [FORM_TYPE],
  body: TokenForm,
  response: {
    200: { $ref: 'TokenReply#', headers: NO_STORE_HEADERS },
    ...errorReplies(TOKEN_CODES),
  },
}
