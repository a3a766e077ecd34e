import type { LaunchTarget } from '../launch-config.ts'

/** One parameter of an authorization request, and why it is there. */
export interface Parameter {
  name: string
  value: string
  why: string
}

/** What differs from login to login. */
export interface LoginParts {
  /** The one redirect URI of this upstream, as it is registered. */
  redirectUri: string
  state: string
  nonce: string
  /** SHA-256 of the verifier, base64url. */
  challenge: string
  /** What the EHR gave when it launched us; null for a login that began here. */
  launch: string | null
}

/**
 * The authorization request, in the order in which people read it.
 *
 * @see SMART App Launch 2.2, "Request authorization code" · RFC 7636 · OpenID Connect Core §3.1.2.1
 */
export function authorizationParameters(
  target: LaunchTarget,
  { redirectUri, state, nonce, challenge, launch }: LoginParts,
): Parameter[] {
  const { upstream } = target
  const always: [string, string, string][] = [
    ['response_type', 'code', 'the authorization-code flow'],
    ['client_id', upstream.clientId, 'our app, as the EHR registered it'],
    ['redirect_uri', redirectUri, 'where the EHR sends the browser back: letter by letter'],
    ['scope', scopesOf(target, launch !== null).join(' '), 'what is asked for'],
    ['state', state, 'ties the answer to this login and this browser; good once'],
    ['aud', upstream.fhirBase, 'the FHIR server that the token is for'],
    ['code_challenge', challenge, 'only who began the login can redeem the code (PKCE)'],
    ['code_challenge_method', 'S256', 'the challenge is a SHA-256'],
    ['nonce', nonce, 'ties the id_token to this login'],
  ]
  const own: [string, string, string][] =
    launch === null ? [] : [['launch', launch, 'names the EHR session that launched us']]
  return [...always, ...own].map(([name, value, why]) => ({ name, value, why }))
}

/** What is asked for: who logs in, where they are in the EHR, the scopes of the config, and lasting access if it says so. */
export function scopesOf({ scopes, offline }: LaunchTarget, isByEhr: boolean): string[] {
  const isPatients = scopes.some(scope => scope.startsWith('patient/'))
  const context = isByEhr ? ['launch'] : isPatients ? ['launch/patient'] : []
  const lasting = offline ? ['offline_access'] : []
  return [...new Set(['openid', 'fhirUser', ...context, ...lasting, ...scopes])]
}

/** What a user's token may say that it is good for beside the scopes of the config. */
export const ALWAYS_COVERED = [
  ...['openid', 'profile', 'fhirUser', 'launch', 'launch/patient', 'launch/encounter'],
  ...['offline_access', 'online_access'],
] as const

/** The request as a URL. A query that the endpoint has already stays (RFC 6749 §3.1). */
export function urlOf(endpoint: string, parameters: readonly Parameter[]): string {
  const url = new URL(endpoint)
  for (const { name, value } of parameters) url.searchParams.set(name, value)
  // Both are right; a server that knows but one of them knows this one.
  url.search = url.search.replaceAll('+', '%20')
  return url.href
}
