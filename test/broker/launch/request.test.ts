import { describe, expect, test } from 'vitest'
import { authorizationParameters, scopesOf, urlOf } from '../../../broker/launch/request.ts'
import { launchTarget } from '../../support/launch-target.ts'

const PARTS = {
  redirectUri: 'https://launch.example.com/oauth/ehr-callback',
  ...{ state: 'STATE', nonce: 'NONCE', challenge: 'CHALLENGE', launch: null },
}

test('a login that begins here asks for a code, with PKCE, the FHIR server, a state and a nonce', () => {
  const url = new URL(
    urlOf('https://ehr.example.com/authorize', authorizationParameters(launchTarget(), PARTS)),
  )
  expect(Object.fromEntries(url.searchParams)).toEqual({
    response_type: 'code',
    client_id: 'user-app',
    redirect_uri: PARTS.redirectUri,
    scope: 'openid fhirUser launch/patient patient/Patient.read',
    state: 'STATE',
    aud: 'https://ehr.example.com/FHIR/R4',
    code_challenge: 'CHALLENGE',
    code_challenge_method: 'S256',
    nonce: 'NONCE',
  })
})

test('a launch by the EHR passes on what it gave, as it is', () => {
  const launch = 'eyJ.a+b/c=.d&e'
  const parameters = authorizationParameters(launchTarget(), { ...PARTS, launch })
  const { searchParams } = new URL(urlOf('https://ehr.example.com/a', parameters))
  expect(searchParams.get('launch')).toBe(launch)
  expect(searchParams.get('scope')?.split(' ')).toContain('launch')
})

test('a query that the endpoint has stays, and spaces are written as every server reads them', () => {
  const url = urlOf('https://ehr.example.com/a?tenant=1', [
    { name: 'scope', value: 'a b', why: '' },
  ])
  expect(url).toBe('https://ehr.example.com/a?tenant=1&scope=a%20b')
})

describe('the scopes', () => {
  test.each<[string, Parameters<typeof launchTarget>[0], boolean, string]>([
    [
      'of a user without a patient',
      { scopes: ['user/Patient.read'] },
      false,
      'openid fhirUser user/Patient.read',
    ],
    [
      'of lasting access',
      { offline: true },
      false,
      'openid fhirUser launch/patient offline_access patient/Patient.read',
    ],
    ['of a launch by the EHR', {}, true, 'openid fhirUser launch patient/Patient.read'],
    [
      'name nothing twice',
      { scopes: ['fhirUser', 'launch/patient', 'patient/Patient.read'] },
      false,
      'openid fhirUser launch/patient patient/Patient.read',
    ],
  ])('%s', (_, parts, isByEhr, scopes) => {
    expect(scopesOf(launchTarget(parts), isByEhr).join(' ')).toBe(scopes)
  })
})
