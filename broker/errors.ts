import { FHIR_ERRORS } from './fhir-errors.ts'
import { KEY_ERRORS } from './key-errors.ts'
import { LAUNCH_ERRORS } from './launch-errors.ts'

/** Whose fault it is. The HTTP status and what a service may be told follow from it. */
export type Blame = 'caller' | 'policy' | 'upstream' | 'us'

/**
 * What a failure of an EHR says of the next call.
 *
 * - `outage`: it may work again any moment. Tried again at once, a few times; counts for the breaker.
 * - `no`: an answer, about us. Never tried again where it never worked; after a success perhaps Epic's flaky 400.
 * - `garbled`: an answer that is no token response, such as a page with status 200. Counts for the breaker.
 * - `ours`: a fault of ours, which the same request meets again.
 */
export type Failure = 'outage' | 'no' | 'garbled' | 'ours'

export interface Row {
  blame: Blame
  status: number
  /** The error code of RFC 6749 §5.2 or RFC 8707 §2 that the service's OAuth library understands. */
  oauth: string
  /** The sentence that the service may read. */
  says: string
  /** Where two codes must look the same from outside, the code that is shown for both. */
  shownAs?: string
  /** Seconds after which asking again may help. */
  retryAfter?: number
  /** Where an attempt at an EHR can end with it. */
  failure?: Failure
}

const caller = (status: number, oauth: string, says: string): Row => ({
  blame: 'caller',
  status,
  oauth,
  says,
})
const policy = (oauth: string, says: string): Row => ({ blame: 'policy', status: 400, oauth, says })
const refused = (failure: Failure, says: string): Row => ({
  blame: 'upstream',
  status: 502,
  oauth: 'server_error',
  says,
  failure,
})
const outage = (says: string, retryAfter: number): Row => ({
  blame: 'upstream',
  status: 503,
  oauth: 'temporarily_unavailable',
  says,
  retryAfter,
  failure: 'outage',
})

const undiscovered = (says: string): Row => ({
  blame: 'upstream',
  status: 502,
  oauth: 'server_error',
  says,
})
const ours = (says: string): Row => ({ blame: 'us', status: 500, oauth: 'server_error', says })

const CLIENT_REFUSED = {
  ...caller(401, 'invalid_client', 'Client authentication failed.'),
  shownAs: 'client_refused',
}
const TARGET_REFUSED = {
  ...policy('invalid_target', 'This client has no grant at such a target.'),
  shownAs: 'target_refused',
}

/** Every code of the broker, a row each. Codes are stable: audit records, alerts and the manual name them. */
export const ERRORS = {
  method_not_allowed: caller(405, 'invalid_request', 'The token endpoint takes POST.'),
  content_type_wrong: caller(400, 'invalid_request', 'Send application/x-www-form-urlencoded.'),
  body_too_large: caller(413, 'invalid_request', 'The request body is too large.'),
  body_unreadable: caller(400, 'invalid_request', 'The request body cannot be read.'),
  query_not_allowed: caller(
    400,
    'invalid_request',
    'Send the parameters in the body, not in the URL.',
  ),
  parameter_twice: caller(400, 'invalid_request', 'A parameter is given twice.'),
  minimum_ttl_invalid: caller(
    400,
    'invalid_request',
    'minimum_ttl must be a whole number of seconds, at most 86400.',
  ),
  minimum_ttl_too_long: caller(
    400,
    'invalid_request',
    'minimum_ttl is longer than this EHR lets a token live.',
  ),
  token_missing: caller(400, 'invalid_request', 'token is missing.'),
  token_unknown: caller(400, 'invalid_request', 'The token is none that this client may have.'),
  grant_type_missing: caller(400, 'invalid_request', 'grant_type is missing.'),
  grant_type_unsupported: caller(
    400,
    'unsupported_grant_type',
    'grant_type must be client_credentials, or that of a token exchange.',
  ),
  auth_methods_several: caller(
    400,
    'invalid_request',
    'Authenticate the client in one way, not in several.',
  ),
  client_id_differs: caller(
    400,
    'invalid_request',
    'client_id differs from the client that authenticates.',
  ),
  credentials_missing: caller(401, 'invalid_client', 'Client authentication is missing.'),
  credentials_malformed: caller(
    401,
    'invalid_client',
    'The client credentials are not in a form that can be read.',
  ),
  client_unknown: CLIENT_REFUSED,
  secret_wrong: CLIENT_REFUSED,
  workload_unknown: CLIENT_REFUSED,
  assertion_header_refused: CLIENT_REFUSED,
  assertion_audience_wrong: CLIENT_REFUSED,
  assertion_time_wrong: CLIENT_REFUSED,
  assertion_jti_missing: CLIENT_REFUSED,
  assertion_key_unknown: CLIENT_REFUSED,
  assertion_signature_wrong: CLIENT_REFUSED,
  assertion_replayed: CLIENT_REFUSED,
  certificate_unknown: CLIENT_REFUSED,
  certificate_expired: CLIENT_REFUSED,
  caller_keys_unavailable: {
    blame: 'us',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The keys that this client signs with cannot be had.',
    retryAfter: 5,
  },
  rate_limited: {
    blame: 'policy',
    status: 429,
    oauth: 'temporarily_unavailable',
    says: 'This client asks too much at once.',
    retryAfter: 1,
  },

  upstream_unknown: TARGET_REFUSED,
  upstream_not_granted: TARGET_REFUSED,
  target_missing: policy(
    'invalid_target',
    'Say which EHR: resource=<FHIR base URL> or audience=<upstream id>.',
  ),
  target_several: policy('invalid_target', 'Ask for one resource at a time.'),
  target_ambiguous: policy(
    'invalid_target',
    'Several grants have this resource; add audience=<upstream id>.',
  ),
  upstream_disabled: {
    ...ours('This EHR is switched off here.'),
    status: 503,
    oauth: 'temporarily_unavailable',
    retryAfter: 300,
  },
  scope_malformed: policy(
    'invalid_scope',
    'The scope is not a list of scopes separated by single spaces.',
  ),
  scope_not_granted: policy(
    'invalid_scope',
    'The scope goes beyond what this client has been granted.',
  ),

  upstream_unreachable: outage('The EHR cannot be reached.', 5),
  upstream_timeout: outage('The EHR did not answer in time.', 5),
  upstream_unavailable: outage('The EHR is out of order.', 10),
  upstream_rate_limited: outage('The EHR asks us to slow down.', 30),
  upstream_circuit_open: outage(
    'The EHR has failed several times, and is left alone for a while.',
    10,
  ),
  upstream_busy: outage('Too many calls wait for the EHR.', 5),
  upstream_tls_failed: refused('garbled', 'The certificate of the EHR cannot be trusted.'),
  upstream_redirected: refused(
    'garbled',
    'The EHR answered with a redirect, which is never followed.',
  ),
  upstream_invalid_client: refused('no', 'The EHR refuses our client authentication.'),
  upstream_unauthorized_client: refused('no', 'The EHR has not finished setting up our client.'),
  upstream_invalid_scope: refused('no', 'The EHR refuses the scope.'),
  upstream_invalid_request: refused(
    'ours',
    'The EHR calls our request malformed, which is a fault of ours.',
  ),
  upstream_unsupported_grant_type: refused('ours', 'The EHR does not offer client_credentials.'),
  upstream_refused: refused('no', 'The EHR refuses the request.'),
  upstream_reply_too_large: refused('garbled', 'The reply of the EHR is too large to be a token.'),
  upstream_not_json: refused('garbled', 'The reply of the EHR is not JSON.'),
  upstream_reply_malformed: refused('garbled', 'The reply of the EHR is not a token response.'),
  upstream_token_type: refused('garbled', 'The EHR issued a token that is not a bearer token.'),
  upstream_life_too_short: refused('garbled', 'The EHR issued a token that is about to expire.'),
  scope_exceeds_grant: {
    blame: 'upstream',
    status: 502,
    oauth: 'server_error',
    says: 'The EHR granted more than this client may have.',
  },

  fhir_base_unusable: caller(
    400,
    'invalid_request',
    'The FHIR base must be an https URL (http on a loopback address) without user, query or fragment.',
  ),
  discovery_not_found: undiscovered('The FHIR server has no smart-configuration.'),
  discovery_refused: undiscovered('The FHIR server refuses to show its smart-configuration.'),
  discovery_malformed: undiscovered('The smart-configuration of the FHIR server cannot be used.'),
  discovery_other_domain: undiscovered(
    'The token endpoint is on another registrable domain than the FHIR base.',
  ),

  signing_failed: {
    blame: 'us',
    status: 500,
    oauth: 'server_error',
    says: 'The assertion could not be signed.',
    failure: 'ours',
  },
  operator_refused: caller(401, 'invalid_client', 'The operator token is missing or wrong.'),
  host_refused: caller(
    421,
    'invalid_request',
    'The operator listener answers under the name localhost alone.',
  ),
  daemon_unreachable: {
    blame: 'us',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The broker of this config cannot be reached: is it running?',
  },
  daemon_failed: ours('The broker of this config gave no answer that can be read.'),
  audit_failed: {
    blame: 'us',
    status: 503,
    oauth: 'temporarily_unavailable',
    says: 'The decision could not be recorded, so no token is given.',
    retryAfter: 5,
  },
  bundle_refused: caller(
    400,
    'invalid_request',
    'The file is not a FHIR R4 Bundle of Endpoints that can be imported.',
  ),
  state_in_use: ours('Another broker has this state folder.'),
  state_unusable: ours('The state folder cannot be used.'),
  state_unreadable: ours('What was seen and signed cannot be read, and begins anew.'),
  file_unreadable: ours('The file cannot be read.'),
  file_not_written: ours('The file was not written.'),
  ...KEY_ERRORS,
  ...FHIR_ERRORS,
  ...LAUNCH_ERRORS,
  not_found: caller(404, 'invalid_request', 'There is nothing at this address.'),
  internal: { blame: 'us', status: 500, oauth: 'server_error', says: 'Something went wrong here.' },
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof ERRORS

/** Facts for the operator's log, where the EHR or we are to blame. Never a token, a secret, an assertion or a body. */
export type Facts = Readonly<Record<string, string | number | boolean | null>>

/** The broker's one class of error. Its message is the public sentence; what else is known is in `facts`. */
export class BrokerError extends Error {
  readonly code: ErrorCode
  readonly facts: Facts

  constructor(code: ErrorCode, facts: Facts = {}, options?: ErrorOptions) {
    super(ERRORS[code].says, options)
    this.name = 'BrokerError'
    this.code = code
    this.facts = facts
  }

  get row(): Row {
    return ERRORS[this.code]
  }

  /** What it says of the next call; what nobody foresaw is a fault of ours. */
  get failure(): Failure {
    return this.row.failure ?? 'ours'
  }

  /** The code that may be shown outside. */
  get shownCode(): string {
    return this.row.shownAs ?? this.code
  }
}

/** Whatever was thrown, as one of our codes. */
export const asBrokerError = (error: unknown): BrokerError =>
  error instanceof BrokerError ? error : new BrokerError('internal', {}, { cause: error })
