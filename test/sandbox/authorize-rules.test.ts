import { describe, expect, test } from 'vitest'
import { grantedScopes, readAsk, readRedirect } from './authorize-rules.ts'
import { EpicRefusal, type Reason } from './refusal.ts'
import type { Registration } from './registrations.ts'

const FHIR_BASE = 'https://epic.example.com/api/FHIR/R4'
const CALLBACK = 'https://app.example.com/oauth/epic-callback'

const client: Registration = {
  ...{ clientId: 'app', environment: 'nonprod', jwksUrl: '' },
  scopes: ['user/Patient.read', 'user/Observation.read'],
  userSide: { redirectUris: [CALLBACK], isPersistent: true },
}
const backend: Registration = { ...client, clientId: 'backend', userSide: undefined as never }

const GOOD = {
  ...{ response_type: 'code', client_id: 'app', redirect_uri: CALLBACK, aud: FHIR_BASE },
  ...{ scope: 'openid fhirUser', code_challenge_method: 'S256' },
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
}

type Parts = Record<string, string | undefined>

function read(parts: Parts = {}, method = 'GET') {
  const said = Object.entries({ ...GOOD, ...parts })
  const parameters = new URLSearchParams(
    said.filter(each => each[1] !== undefined) as [string, string][],
  )
  const to = readRedirect(parameters, id => {
    const found = [client, backend].find(({ clientId }) => clientId === id)
    if (found) return found
    throw new EpicRefusal('client_unknown')
  })
  return { ...to, ...readAsk(parameters, { method, fhirBase: FHIR_BASE }) }
}

const LAUNCHED = { launch: 'a-token', scope: 'launch openid' }

test.each<[string, Parts, string?]>([
  ['standalone', {}],
  ['with a choice of patient', { scope: 'openid launch/patient' }],
  ['by an EHR', LAUNCHED],
  ['by an EHR, posted', LAUNCHED, 'POST'],
])('is taken: %s', (_, parts, method) => {
  expect(read(parts, method)).toMatchObject({ client, redirectUri: CALLBACK, state: null })
})

describe('is refused', () => {
  test.each<[Reason, Parts, string?]>([
    ['client_unknown', { client_id: undefined }],
    ['client_unknown', { client_id: 'nobody' }],
    ['client_is_backend', { client_id: 'backend' }],
    ['redirect_uri_not_registered', { redirect_uri: undefined }],
    ['redirect_uri_not_registered', { redirect_uri: `${CALLBACK}/` }],
    ['redirect_uri_not_registered', { redirect_uri: CALLBACK.replace('app', 'App') }],
    ['redirect_uri_not_registered', { redirect_uri: `${CALLBACK}?x=1` }],
    ['redirect_uri_not_registered', { redirect_uri: 'https://evil.example.com/' }],
    ['response_type_wrong', { response_type: undefined }],
    ['response_type_wrong', { response_type: 'token' }],
    ['fhir_base_missing', { aud: undefined }],
    ['fhir_base_wrong', { aud: `${FHIR_BASE}/` }],
    ['post_without_launch', {}, 'POST'],
    ['openid_not_asked', { scope: 'user/Patient.read' }],
    ['launch_not_asked', { ...LAUNCHED, scope: 'openid' }],
    ['launch_without_token', { scope: 'openid launch' }],
    ['challenge_missing', { code_challenge: undefined }],
    ['challenge_plain', { code_challenge_method: 'plain' }],
    ['challenge_plain', { code_challenge_method: undefined }],
    ['challenge_malformed', { code_challenge: `${GOOD.code_challenge}=` }],
  ])('%s: %j', (reason, parts, method) => {
    expect(() => read(parts, method)).toThrow(expect.objectContaining({ reason }))
  })
})

describe('what is granted', () => {
  const asking = (scope: string, more = {}) => ({
    client: { ...client, ...more },
    scopes: scope.split(' '),
  })

  test('has all that the app has, at Epic', () => {
    expect(grantedScopes(asking('openid user/Patient.read'), 'by-app')).toEqual([
      ...['openid', 'user/Patient.read', 'user/Observation.read'],
    ])
  })

  test('has elsewhere what is asked of it', () => {
    expect(grantedScopes(asking('openid user/Patient.read user/Claim.read'), 'by-request')).toEqual(
      ['openid', 'user/Patient.read'],
    )
  })

  test('has offline_access where the app is registered for it, and nowhere else', () => {
    const ask = asking('openid offline_access')
    expect(grantedScopes(ask, 'by-request')).toEqual(['openid', 'offline_access'])
    const other = asking('openid offline_access', { userSide: { redirectUris: [] } })
    expect(grantedScopes(other, 'by-request')).toEqual(['openid'])
  })
})
