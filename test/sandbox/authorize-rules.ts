import { EpicRefusal } from './refusal.ts'
import type { Registration } from './registrations.ts'

/** What an app asks of a person. */
export interface Ask {
  client: Registration
  redirectUri: string
  state: string | null
  nonce: string | null
  scopes: readonly string[]
  challenge: string
  /** The launch token, where an EHR started the app. */
  launch: string | null
}

/**
 * Who asks, and where the answer may go. Until both are known to belong together nobody is sent anywhere.
 * @throws EpicRefusal
 */
export function readRedirect(
  parameters: URLSearchParams,
  find: (clientId: string) => Registration,
): Pick<Ask, 'client' | 'redirectUri' | 'state'> {
  const client = find(parameters.get('client_id') ?? '')
  if (!client.userSide) throw new EpicRefusal('client_is_backend')
  const redirectUri = parameters.get('redirect_uri') ?? ''
  if (!client.userSide.redirectUris.includes(redirectUri))
    throw new EpicRefusal('redirect_uri_not_registered', redirectUri)
  return { client, redirectUri, state: parameters.get('state') }
}

/** The rest of it. @see Epic "OAuth 2.0", authorization code · SMART App Launch 2.2 §2.0.9 @throws EpicRefusal */
export function readAsk(
  parameters: URLSearchParams,
  { method, fhirBase }: { method: string; fhirBase: string },
): Omit<Ask, 'client' | 'redirectUri' | 'state'> {
  if (parameters.get('response_type') !== 'code') throw new EpicRefusal('response_type_wrong')
  const aud = parameters.get('aud')
  if (aud === null) throw new EpicRefusal('fhir_base_missing')
  if (aud !== fhirBase) throw new EpicRefusal('fhir_base_wrong', aud)
  const launch = parameters.get('launch')
  if (method === 'POST' && launch === null) throw new EpicRefusal('post_without_launch')
  const scopes = (parameters.get('scope') ?? '').split(' ').filter(each => each !== '')
  if (!scopes.includes('openid')) throw new EpicRefusal('openid_not_asked')
  if (launch !== null && !scopes.includes('launch')) throw new EpicRefusal('launch_not_asked')
  if (launch === null && scopes.includes('launch')) throw new EpicRefusal('launch_without_token')
  return { launch, scopes, nonce: parameters.get('nonce'), challenge: readChallenge(parameters) }
}

/** SMART mandates PKCE, and forbids plain, which is what a missing method means. @see RFC 7636 §4.3 */
function readChallenge(parameters: URLSearchParams): string {
  const challenge = parameters.get('code_challenge')
  if (challenge === null) throw new EpicRefusal('challenge_missing')
  if (parameters.get('code_challenge_method') !== 'S256') throw new EpicRefusal('challenge_plain')
  if (!/^[\w-]{43}$/.test(challenge)) throw new EpicRefusal('challenge_malformed')
  return challenge
}

/** What an app may ask of a person beside records. */
const OF_THE_PERSON = ['openid', 'fhirUser', 'profile', 'launch', 'launch/patient', 'online_access']

/**
 * Epic adds the whole of the app's "Incoming APIs" to what is asked; others grant of them what is asked. Nobody grants
 * what the app has not.
 */
export function grantedScopes(
  { client, scopes }: Pick<Ask, 'client' | 'scopes'>,
  grants: 'by-app' | 'by-request',
): string[] {
  const kept = scopes.filter(
    each =>
      OF_THE_PERSON.includes(each) || (each === 'offline_access' && client.userSide?.isPersistent),
  )
  const records = client.scopes.filter(each => grants === 'by-app' || scopes.includes(each))
  return [...new Set([...kept, ...records])]
}
