import type { FastifySchema } from 'fastify'
import Type from 'typebox'
import { TOKEN_EXCHANGE, TOKEN_TYPES } from '../exchange-connection.ts'
import { errorReplies, TOKEN_CODES } from './error-document.ts'
import { FORM_TYPE, formOf, NO_STORE_HEADERS, SECURITY } from './form-document.ts'

const TokenForm = formOf({
  grant_type: Type.Enum(['client_credentials', TOKEN_EXCHANGE], {
    description: `\`client_credentials\`; or, for the token of a user's connection, \`${TOKEN_EXCHANGE}\` (RFC 8693).`,
  }),
  subject_token: Type.Optional(
    Type.String({ description: 'In an exchange: the connection, from `/oauth2/connection`.' }),
  ),
  subject_token_type: Type.Optional(
    Type.Literal(TOKEN_TYPES.connection, {
      description: `In an exchange: \`${TOKEN_TYPES.connection}\``,
    }),
  ),
  requested_token_type: Type.Optional(
    Type.Literal(TOKEN_TYPES.access, {
      description: `In an exchange, if anything: \`${TOKEN_TYPES.access}\``,
    }),
  ),
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

/** What is known of the user and of where they are in the EHR. */
export const CONTEXT_MEMBERS = {
  context: Type.Record(Type.String(), Type.Unknown(), {
    description:
      'What the EHR said beside the token: `patient`, `encounter`, `need_patient_banner` (a boolean), and so on.',
  }),
  fhir_user: Type.Union([Type.String(), Type.Null()], {
    description: 'The user’s own FHIR resource, where the EHR says so.',
  }),
}

/** @see RFC 6749 §5.1 · RFC 8693 §2.2.1 */
export const TokenReply = Type.Object(
  {
    access_token: Type.String({ description: 'Show it to the EHR, and keep it out of logs.' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({
      minimum: 0,
      description: 'Seconds that the token still lives, true at this moment.',
    }),
    scope: Type.String({ description: 'What the EHR granted.' }),
    issued_token_type: Type.Optional(
      Type.Literal(TOKEN_TYPES.access, { description: 'After an exchange.' }),
    ),
    context: Type.Optional(CONTEXT_MEMBERS.context),
    fhir_user: Type.Optional(CONTEXT_MEMBERS.fhir_user),
  },
  { $id: 'TokenReply', description: 'An access token of the EHR.' },
)

export const TOKEN_URL = '/oauth2/token'

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
