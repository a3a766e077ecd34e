import type { FastifyPluginCallback, FastifySchema } from 'fastify'
import Type from 'typebox'
import { redeemCode } from '../redeem-code.ts'
import type { Traces } from '../traces.ts'
import { CONNECTION_CODES, errorReplies } from './error-document.ts'
import { FORM_TYPE, formOf, NO_STORE_HEADERS, SECURITY } from './form-document.ts'
import { readForm, traceparentOf } from './form-request.ts'
import { answerForms } from './form-route.ts'
import type { Stopping } from './stopping.ts'
import { CONTEXT_MEMBERS } from './token-document.ts'

const DOCUMENT: FastifySchema = {
  operationId: 'redeemConnection',
  tags: ['connections'],
  summary: 'Take over the connection of a user who has logged in',
  description:
    'The browser brings the code to the return URL of the service. It is good once, for a minute, and for that service alone. The connection that it is redeemed for is the `subject_token` of token exchanges.',
  security: SECURITY,
  consumes: [FORM_TYPE],
  body: formOf({ code: Type.String({ description: 'From the return URL.' }) }),
  response: {
    200: {
      ...Type.Object(
        {
          connection: Type.String({ description: 'The handle. Keep it like a password.' }),
          connection_type: Type.String(),
          upstream: Type.String({ description: 'The id of the upstream.' }),
          resource: Type.String({ format: 'uri', description: 'Its FHIR base URL.' }),
          scope: Type.String({ description: 'What the EHR granted.' }),
          ...CONTEXT_MEMBERS,
        },
        { description: 'The connection, from now on the service’s.' },
      ),
      headers: NO_STORE_HEADERS,
    },
    ...errorReplies(CONNECTION_CODES),
  },
}

/** `POST /oauth2/connection`: the one-use code of a login, for the handle of its connection. */
export const connectionRoute: FastifyPluginCallback<{
  rooms: Parameters<typeof redeemCode>[1]
  stopping: Stopping
  around: Traces['around']
}> = (scope, { rooms, stopping, around }, done) => {
  answerForms(scope, {
    ...{ url: '/oauth2/connection', document: DOCUMENT, stopping },
    answer: (request, fault) =>
      around('connection', traceparentOf(request), () => {
        const read = readForm(request)
        return redeemCode({ ...read, fault: fault ?? read.fault }, rooms)
      }),
  })
  done()
}
