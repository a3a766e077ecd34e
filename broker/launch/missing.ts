import type { LaunchTarget } from '../launch-config.ts'
import { scopesOf } from './request.ts'

/**
 * What stands in the way of a login, as far as it can be told beforehand: by the config, and by what the FHIR server
 * says of itself (null where it cannot be asked). Servers under-report what they can do, so these are hints. Pure.
 */
export function missingFrom(
  target: LaunchTarget,
  redirectUri: string,
  said: Readonly<Record<string, unknown>> | null,
): string[] {
  const own = [
    !redirectUri.startsWith('https:') &&
      'launch.publicUrl is not https: EHRs take such a redirect URI in a test app at the most.',
    !target.offline &&
      'offline is off: there will be no refresh token, and the connection ends with its first token.',
    target.service === null && 'service is not set: no service gets the connection.',
  ]
  if (said === null) return hints([...own, 'The smart-configuration of the EHR cannot be read.'])
  const lacks = (member: string, value: string): boolean => {
    const list = said[member]
    return Array.isArray(list) && !list.includes(value)
  }
  const differs = (member: string, ours: string): boolean =>
    typeof said[member] === 'string' && said[member] !== ours
  const unknown = scopesOf(target, false).filter(scope => lacks('scopes_supported', scope))
  return hints([
    ...own,
    differs('authorization_endpoint', target.authorizationEndpoint) &&
      `The EHR names another authorization_endpoint: ${said['authorization_endpoint']}`,
    differs('token_endpoint', target.upstream.tokenEndpoint) &&
      `The EHR names another token_endpoint: ${said['token_endpoint']}`,
    target.issuer === null &&
      typeof said['issuer'] !== 'string' &&
      'The EHR names no issuer: set one, or no id_token can be checked.',
    lacks('code_challenge_methods_supported', 'S256') && 'The EHR does not list S256 (PKCE).',
    lacks('token_endpoint_auth_methods_supported', 'private_key_jwt') &&
      'The EHR does not list private_key_jwt.',
    lacks('grant_types_supported', 'authorization_code') &&
      'The EHR does not list the grant type authorization_code.',
    target.offline &&
      lacks('capabilities', 'permission-offline') &&
      'The EHR does not list permission-offline.',
    unknown.length > 0 && `The EHR does not list these scopes: ${unknown.join(' ')}`,
  ])
}

const hints = (all: readonly (string | false)[]): string[] =>
  all.filter(each => typeof each === 'string')
