import { expect, test } from 'vitest'
import { diagnose } from '../../../broker/diagnosis/diagnose.ts'
import type { Facts } from '../../../broker/diagnosis/facts.ts'
import { PROFILES } from '../../../broker/profiles.ts'
import { another, factsOf, refusedWith } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const codes = (parts: Partial<Facts>) => diagnose(factsOf(parts)).map(each => each.code)
const WORKED = { past: { worked: 100, kid: 'kid-1', tried: 200, failures: 9 } }
const NOT_ASKED = { token: { outcome: 'not_asked' } } as const

test.each([
  [-61, true],
  [-60, true],
  [-50, false],
  [0, false],
  [200, false],
  [240, true],
  [86_400, true],
])('a clock of the EHR that is %i s ahead: fault %s', (skew, isFault) => {
  expect(codes({ skew })[0] === 'clock_differs').toBe(isFault)
  expect(codes({ skew, ...NOT_ASKED })).toEqual(isFault ? ['clock_differs'] : [])
})

test('a clock at the edge is named, but not as seen', () => {
  const [cause] = diagnose(factsOf({ skew: 237, past: WORKED.past }))
  expect(cause).toMatchObject({ code: 'clock_differs', certainty: 'likely' })
})

const ENDPOINT = upstream().tokenEndpoint

test.each([
  [ENDPOINT.replace('token', 'Token'), 'seen'],
  [`${ENDPOINT}/`, 'seen'],
  ['https://ehr.example.com/other/token', 'seen'],
  ['https://elsewhere.example.com/token', 'likely'],
])('an EHR that names %s', (namedEndpoint, certainty) => {
  expect(diagnose(factsOf({ namedEndpoint }))[0]).toMatchObject({
    ...{ code: 'endpoint_differs', certainty },
  })
})

test('an EHR that names what is configured, or what the exception says, is no fault', () => {
  const assertionAudience = { value: 'https://inside.example.com/token', reason: 'proxy' }
  const exception = { upstream: upstream({ assertionAudience }) }
  expect(codes({ namedEndpoint: ENDPOINT })).not.toContain('endpoint_differs')
  expect(codes({ ...exception, namedEndpoint: assertionAudience.value })).not.toContain(
    'endpoint_differs',
  )
})

test('an exception for aud is doubted until it has worked', () => {
  const exception = (value: string) => ({
    upstream: upstream({ assertionAudience: { value, reason: 'proxy' } }),
  })
  expect(codes(exception('https://inside.example.com'))[0]).toBe('audience_exception')
  expect(codes({ ...exception('https://inside.example.com'), ...WORKED })[0]).not.toBe(
    'audience_exception',
  )
  expect(codes(exception(ENDPOINT))).not.toContain('audience_exception')
})

test('a gateway is suspected of hiding the URL at first, and of its inspection later', () => {
  expect(codes({ hasGateway: true })[0]).toBe('proxy_hides_url')
  expect(codes({ hasGateway: true, ...WORKED })[0]).toBe('request_changed')
  const neighbour = another({ clientId: 'x', tokenEndpoint: ENDPOINT })
  const found = codes({ hasGateway: true, others: [neighbour] })
  expect(found).not.toContain('proxy_hides_url')
  expect(found).not.toContain('request_changed')
})

test.each<[string, Partial<Facts>]>([
  ['request_changed', { ...refusedWith('upstream_invalid_request'), hasGateway: true }],
  ['grant_not_offered', refusedWith('upstream_unsupported_grant_type')],
  ['scopes_not_in_app', refusedWith('upstream_invalid_scope')],
  ['endpoint_differs', refusedWith('upstream_redirected')],
  ['endpoint_differs', refusedWith('upstream_not_json')],
  ['certificate_untrusted', refusedWith('upstream_tls_failed', 'SELF_SIGNED_CERT_IN_CHAIN')],
  ['certificate_untrusted', refusedWith('upstream_tls_failed', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
  ['certificate_expired', refusedWith('upstream_tls_failed', 'CERT_HAS_EXPIRED')],
  ['certificate_expired', refusedWith('upstream_tls_failed', 'CERT_NOT_YET_VALID')],
  ['certificate_of_other_name', refusedWith('upstream_tls_failed', 'ERR_TLS_CERT_ALTNAME_INVALID')],
  ['tls_not_agreed', refusedWith('upstream_tls_failed', 'EPROTO')],
  ['tls_not_agreed', refusedWith('upstream_tls_failed')],
  ['name_not_found', refusedWith('upstream_unreachable', 'ENOTFOUND')],
  ['way_out_blocked', refusedWith('upstream_unreachable', 'ECONNREFUSED')],
  ['way_out_blocked', refusedWith('upstream_timeout')],
  ['ehr_is_down', { ...refusedWith('upstream_unreachable', 'ECONNRESET'), ...WORKED }],
  ['ehr_is_down', { ...refusedWith('upstream_timeout'), others: [another()] }],
  ['ehr_is_down', refusedWith('upstream_unavailable')],
  [
    'way_out_blocked',
    { ...refusedWith('upstream_unreachable'), ...WORKED, others: [another({ works: false })] },
  ],
])('%s', (code, parts) => expect(codes(parts)[0]).toBe(code))

test('scopes in the style of v2 are named where the scope is refused', () => {
  const scoped = (scope: string) => ({
    ...refusedWith('upstream_invalid_scope'),
    upstream: upstream({ scopes: [scope] }),
  })
  expect(codes(scoped('system/Patient.rs'))).toContain('scope_style')
  expect(codes(scoped('system/Patient.rs?x=y'))).toContain('scope_style')
  expect(codes(scoped('system/Patient.read'))).not.toContain('scope_style')
  expect(codes(scoped('system/*.*'))).not.toContain('scope_style')
})

test('another alg than the profile’s is doubted, but not RSA at Epic', () => {
  const with_ = (profileName: 'epic' | 'eclinicalworks', alg: 'RS256' | 'ES384') => ({
    upstream: upstream({ profileName, profile: PROFILES[profileName], alg }),
  })
  expect(codes(with_('eclinicalworks', 'ES384'))[0]).toBe('alg_not_taken')
  expect(codes(with_('epic', 'RS256'))).not.toContain('alg_not_taken')
  expect(codes(with_('epic', 'ES384')).indexOf('alg_not_taken')).toBeGreaterThan(1)
  expect(codes({ ...with_('eclinicalworks', 'ES384'), ...WORKED })).not.toContain('alg_not_taken')
})
