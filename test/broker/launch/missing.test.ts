import { expect, test } from 'vitest'
import { missingFrom } from '../../../broker/launch/missing.ts'
import { launchTarget } from '../../support/launch-target.ts'

const URI = 'https://launch.example.com/oauth/ehr-callback'
const target = launchTarget({
  offline: true,
  service: { id: 'scheduling', returnUrl: 'https://scheduling.example.com/' },
})
const SAID = {
  issuer: 'https://ehr.example.com',
  authorization_endpoint: target.authorizationEndpoint,
  token_endpoint: target.upstream.tokenEndpoint,
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['private_key_jwt'],
  grant_types_supported: ['authorization_code'],
  capabilities: ['permission-offline'],
  scopes_supported: [
    'openid',
    'fhirUser',
    'launch/patient',
    'offline_access',
    'patient/Patient.read',
  ],
}

test('nothing is missing where the config and the EHR agree, and where the EHR says little', () => {
  expect(missingFrom(target, URI, SAID)).toEqual([])
  expect(missingFrom(target, URI, { issuer: 'https://ehr.example.com' })).toEqual([])
})

test.each<[string, object]>([
  ['authorization_endpoint', { authorization_endpoint: 'https://ehr.example.com/other' }],
  ['token_endpoint', { token_endpoint: 'https://ehr.example.com/other' }],
  ['issuer', { issuer: undefined }],
  ['S256', { code_challenge_methods_supported: ['plain'] }],
  ['private_key_jwt', { token_endpoint_auth_methods_supported: ['client_secret_basic'] }],
  ['authorization_code', { grant_types_supported: ['client_credentials'] }],
  ['permission-offline', { capabilities: [] }],
  [
    'patient/Patient.read',
    { scopes_supported: ['openid', 'fhirUser', 'launch/patient', 'offline_access'] },
  ],
])('what the EHR says otherwise of %s is told', (word, parts) => {
  const [hint, ...others] = missingFrom(target, URI, { ...SAID, ...parts })
  expect(hint).toContain(word)
  expect(others).toEqual([])
})

test('a config that gives no service anything, and nothing lasting, is told of', () => {
  const hints = missingFrom(launchTarget(), 'http://127.0.0.1:8410/oauth/ehr-callback', null)
  for (const word of ['publicUrl', 'offline', 'service', 'smart-configuration'])
    expect(hints.filter(hint => hint.includes(word))).toHaveLength(1)
})
