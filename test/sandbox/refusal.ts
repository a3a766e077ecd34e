/**
 * Why the local Epic said no. It answers 400 `invalid_client` with `error_description: null`, as Epic does, and keeps
 * the reason for its own log, so that a diagnosis can be held against the truth.
 */
export const REASONS = {
  method_not_post: 'invalid_request',
  body_not_form: 'invalid_request',
  parameters_in_url: 'invalid_request',
  parameter_twice: 'invalid_request',
  grant_type_missing: 'invalid_request',
  grant_type_unsupported: 'unsupported_grant_type',
  assertion_missing: 'invalid_client',
  assertion_type_wrong: 'invalid_client',
  assertion_unreadable: 'invalid_client',
  client_unknown: 'invalid_client',
  client_of_other_environment: 'invalid_client',
  client_not_synced: 'invalid_client',
  alg_not_accepted: 'invalid_client',
  typ_wrong: 'invalid_client',
  jku_differs: 'invalid_client',
  key_set_unreachable: 'invalid_client',
  key_set_unreadable: 'invalid_client',
  kid_not_in_set: 'invalid_client',
  kid_not_unique: 'invalid_client',
  key_does_not_fit_alg: 'invalid_client',
  signature_wrong: 'invalid_client',
  issuer_wrong: 'invalid_client',
  subject_wrong: 'invalid_client',
  audience_wrong: 'invalid_client',
  jti_missing: 'invalid_client',
  jti_not_string: 'invalid_client',
  jti_too_long: 'invalid_client',
  jti_replayed: 'invalid_client',
  expired: 'invalid_client',
  expires_too_late: 'invalid_client',
  not_yet_valid: 'invalid_client',
  valid_too_long: 'invalid_client',
  issued_in_future: 'invalid_client',
  issued_too_early: 'invalid_client',
  url_not_entered: 'invalid_client',
  static_key_does_not_verify: 'invalid_client',
  user_not_mapped: 'unauthorized_client',
  scope_not_in_app: 'invalid_scope',
  secret_sent: 'invalid_client',
  grant_type_not_of_app: 'unauthorized_client',
  client_id_differs: 'invalid_client',
  code_unknown: 'invalid_grant',
  code_used: 'invalid_grant',
  code_expired: 'invalid_grant',
  code_of_other_client: 'invalid_grant',
  redirect_uri_differs: 'invalid_grant',
  verifier_wrong: 'invalid_grant',
  refresh_token_unknown: 'invalid_grant',
  refresh_token_used: 'invalid_grant',
  refresh_token_expired: 'invalid_grant',
  refresh_token_revoked: 'invalid_grant',
  refresh_token_of_other_client: 'invalid_grant',
  // At the authorization endpoint, before anybody may be sent back: a page, and no word to the app.
  client_is_backend: 'page',
  redirect_uri_not_registered: 'page',
  response_type_wrong: 'page',
  fhir_base_missing: 'page',
  fhir_base_wrong: 'page',
  post_without_launch: 'page',
  url_too_long: 'page',
  transaction_unknown: 'page',
  // There, once the redirect URI is known to be the app's.
  openid_not_asked: 'invalid_scope',
  launch_not_asked: 'invalid_scope',
  launch_without_token: 'invalid_scope',
  launch_token_unknown: 'invalid_launch_token',
  launch_token_used: 'invalid_launch_token',
  launch_token_expired: 'invalid_launch_token',
  launch_token_of_other_client: 'invalid_launch_token',
  challenge_missing: 'invalid_request',
  challenge_plain: 'invalid_request',
  challenge_malformed: 'invalid_request',
  person_refused: 'access_denied',
} as const

export type Reason = keyof typeof REASONS

export class EpicRefusal extends Error {
  readonly reason: Reason

  constructor(reason: Reason, detail = '') {
    super(detail === '' ? reason : `${reason}: ${detail}`)
    this.name = 'EpicRefusal'
    this.reason = reason
  }
}
