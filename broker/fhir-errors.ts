import type { Row } from './errors.ts'

const operator = (status: number, says: string) =>
  ({ blame: 'caller', status, oauth: 'invalid_request', says }) as const satisfies Row

/** What an operator's look at a FHIR server is refused for, beside what getting a token is. */
export const FHIR_ERRORS = {
  fhir_check_off: operator(403, 'The config does not allow this (admin.fhirCheck).'),
  fhir_upstream_unknown: operator(404, 'The config has no such upstream in use.'),
  fhir_path_unusable: operator(
    400,
    'Ask for metadata, a type or Type/id, with or without a query: nothing beside or above.',
  ),
  fhir_reply_unreadable: {
    ...{ blame: 'upstream', status: 502, oauth: 'server_error' },
    says: 'The reply of the FHIR server is not JSON, or is too large.',
  },
} as const satisfies Record<string, Row>
