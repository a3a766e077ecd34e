import type { FastifyPluginCallback, FastifyRequest, FastifySchema } from 'fastify'
import Type from 'typebox'
import type { BrokerError } from '../errors.ts'
import { type ReportRequest, type ReportRooms, reportToken } from '../report-token.ts'
import type { Traces } from '../traces.ts'
import { errorReplies, REPORT_CODES } from './error-document.ts'
import { FORM_TYPE, formOf, NO_STORE_HEADERS, SECURITY } from './form-document.ts'
import { readForm, traceparentOf } from './form-request.ts'
import { answerForms } from './form-route.ts'
import type { Stopping } from './stopping.ts'

const REPORT_DOCUMENT: FastifySchema = {
  operationId: 'reportToken',
  tags: ['tokens'],
  summary: 'Say that an EHR answered 401 to a token',
  description:
    'The broker gets a new one, at most once in a minute, and answers when it is there: then ask for a token again. A token that is unknown, or that the client may not have, is answered alike.',
  security: SECURITY,
  consumes: [FORM_TYPE],
  body: formOf({ token: Type.String({ description: 'The access token that the EHR refused.' }) }),
  response: {
    200: {
      ...Type.Object({}, { description: 'Taken note of.' }),
      headers: NO_STORE_HEADERS,
    },
    ...errorReplies(REPORT_CODES),
  },
}

/** `POST /oauth2/report`: a token that an EHR answered 401 to. Whatever is known of it, the reply is the same. */
export const reportRoute: FastifyPluginCallback<{
  rooms: ReportRooms
  stopping: Stopping
  around: Traces['around']
}> = (scope, { rooms, stopping, around }, done) => {
  answerForms(scope, {
    ...{ url: '/oauth2/report', document: REPORT_DOCUMENT, stopping },
    answer: async (request, fault) => {
      await around('report', traceparentOf(request), () =>
        reportToken(readReport(request, fault), rooms),
      )
      return {}
    },
  })
  done()
}

function readReport(request: FastifyRequest, fault: BrokerError | null): ReportRequest {
  const read = readForm(request)
  return { ...read, token: read.form.get('token'), fault: fault ?? read.fault }
}
