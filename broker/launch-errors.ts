import type { Row } from './errors.ts'

const caller = (says: string, oauth = 'invalid_request') =>
  ({ blame: 'caller', status: 400, oauth, says }) as const satisfies Row
const upstream = (says: string) =>
  ({ blame: 'upstream', status: 502, oauth: 'server_error', says }) as const satisfies Row

const LOGIN_REFUSED = {
  ...caller('This login was not begun in this browser, is over already, or took too long.'),
  shownAs: 'login_refused',
} as const satisfies Row
const CONNECTION_REFUSED = {
  ...caller('The subject token is no connection that this client may use.'),
  shownAs: 'connection_refused',
} as const satisfies Row
const CODE_REFUSED = {
  ...caller('The code is none that this client may redeem.', 'invalid_grant'),
  shownAs: 'connection_code_refused',
} as const satisfies Row

/** What goes wrong when a user logs in at an EHR, and with the connection that comes of it. */
export const LAUNCH_ERRORS = {
  upstream_invalid_grant: {
    ...upstream('The EHR refuses the code or the refresh token.'),
    failure: 'no',
  },
  launch_iss_unknown: caller('The EHR that launches this is none that is known here.'),
  launch_token_missing: caller('A launch by an EHR has iss and launch, each once.'),
  launch_state_malformed: caller(
    'state may have 256 characters of A-Z a-z 0-9 . _ ~ - at the most.',
  ),
  state_missing: LOGIN_REFUSED,
  state_unknown: LOGIN_REFUSED,
  state_elsewhere: LOGIN_REFUSED,
  state_expired: LOGIN_REFUSED,
  state_used: LOGIN_REFUSED,
  login_issuer_differs: caller('The answer is not from the EHR that this login was begun at.'),
  login_code_missing: caller('The answer of the EHR has no code.'),
  login_declined: caller('The login was declined at the EHR.', 'access_denied'),
  login_failed: upstream('The EHR ended the login with an error.'),
  id_token_missing: upstream('The EHR was asked who logs in, and did not say.'),
  id_token_refused: upstream('The id_token of the EHR cannot be trusted.'),
  issuer_unavailable: {
    blame: 'upstream',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The issuer of the EHR, or its keys, cannot be had.',
    retryAfter: 10,
  },
  issuer_differs: upstream('The EHR names another issuer than is expected.'),
  connection_unknown: CONNECTION_REFUSED,
  connection_of_another: CONNECTION_REFUSED,
  connection_not_granted: CONNECTION_REFUSED,
  connection_needs_login: caller('The connection is over: the user must log in again.'),
  connection_busy: {
    blame: 'us',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The connection is being renewed.',
    retryAfter: 2,
  },
  connection_store_failed: {
    blame: 'us',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The store of connections does not answer.',
    retryAfter: 5,
  },
  connection_code_missing: caller('code is missing.'),
  connection_code_unknown: CODE_REFUSED,
  connection_code_of_another: CODE_REFUSED,
  subject_token_missing: caller('subject_token is missing.'),
  subject_token_type_unsupported: caller(
    'subject_token_type must be urn:lockstep:params:oauth:token-type:connection.',
  ),
  requested_token_type_unsupported: caller(
    'requested_token_type must be urn:ietf:params:oauth:token-type:access_token.',
  ),
} as const satisfies Record<string, Row>
