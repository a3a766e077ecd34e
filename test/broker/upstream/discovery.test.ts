import { describe, expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { compare, discover, type Question } from '../../../broker/upstream/discovery.ts'
import type { Look } from '../../../keys-pipeline/published.ts'

const BASE = 'https://fhir.mercy.example.com/api/FHIR/R4'
const TOKEN = 'https://fhir.mercy.example.com/oauth2/token'
const LOCAL = 'http://127.0.0.1:8080/r4'

const question = (parts: Partial<Question> = {}): Question => ({
  ...{ fhirBase: BASE, clientId: null, alg: 'RS384', accepted: [] },
  ...parts,
})

const look = (parts: Partial<Omit<Look, 'body'>> & { body?: unknown } = {}): Look => ({
  ...{
    url: '',
    failure: null,
    status: 200,
    headers: { 'content-type': 'application/json' },
    took: 1,
  },
  ...parts,
  body: Buffer.from(
    typeof parts.body === 'string'
      ? parts.body
      : JSON.stringify(parts.body ?? { token_endpoint: TOKEN }),
  ),
})

const found = (answer: Look, asked: Partial<Question> = {}) =>
  discover(question(asked), async () => answer)

async function refusal(answer: Look, asked: Partial<Question> = {}): Promise<string> {
  try {
    return (await found(answer, asked)).tokenEndpoint
  } catch (error) {
    return (error as BrokerError).code
  }
}

const named = (token_endpoint: unknown, more: object = {}) =>
  look({ body: { token_endpoint, ...more } })

test('asks below the base, with the client ID where there is one', async () => {
  const asked: [string, Readonly<Record<string, string>>][] = []
  for (const parts of [{}, { fhirBase: `${BASE}/`, clientId: 'our-app' }])
    await discover(question(parts), async (url, headers) => {
      asked.push([url, headers])
      return look()
    })
  const url = `${BASE}/.well-known/smart-configuration`
  expect(asked).toEqual([
    [url, { accept: 'application/json' }],
    [url, { accept: 'application/json', 'epic-client-id': 'our-app' }],
  ])
})

test('what the server says of itself is kept', async () => {
  const { said, warnings, tokenEndpoint } = await found(
    named(TOKEN, {
      issuer: 'https://fhir.mercy.example.com/oauth2',
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
      grant_types_supported: ['client_credentials'],
    }),
  )
  expect([tokenEndpoint, warnings]).toEqual([TOKEN, []])
  expect(said).toEqual({
    issuer: 'https://fhir.mercy.example.com/oauth2',
    authMethods: ['private_key_jwt'],
    algs: ['RS384', 'ES384'],
    grantTypes: ['client_credentials'],
  })
})

describe('a hostile or mistaken answer is refused', () => {
  test.each<[string, Look, string]>([
    ['no such name', look({ failure: 'name_not_found' }), 'upstream_unreachable'],
    ['nobody there', look({ failure: 'unreachable' }), 'upstream_unreachable'],
    ['no answer in time', look({ failure: 'timeout' }), 'upstream_timeout'],
    ['a certificate nobody knows', look({ failure: 'tls' }), 'upstream_tls_failed'],
    ['a body without end', look({ failure: 'too_large' }), 'discovery_malformed'],
    ['a redirect', look({ status: 302 }), 'upstream_redirected'],
    ['a redirect for good', look({ status: 308 }), 'upstream_redirected'],
    ['nothing at the address', look({ status: 404 }), 'discovery_not_found'],
    ['nothing there any more', look({ status: 410 }), 'discovery_not_found'],
    ['a sign-in', look({ status: 401 }), 'discovery_refused'],
    ['a firewall', look({ status: 403 }), 'discovery_refused'],
    ['an empty answer', look({ status: 204, body: '' }), 'discovery_refused'],
    ['a request to slow down', look({ status: 429 }), 'upstream_rate_limited'],
    ['an outage with a document', look({ status: 503 }), 'upstream_unavailable'],
    ['a page with 200', look({ body: '<!doctype html>' }), 'upstream_not_json'],
    ['XML', look({ body: '<CapabilityStatement/>' }), 'upstream_not_json'],
    ['nothing with 200', look({ body: '' }), 'upstream_not_json'],
    ['half a document', look({ body: '{"token_endpoint":"' }), 'upstream_not_json'],
    ['bytes', look({ body: '\u0000\u0001' }), 'upstream_not_json'],
    ['a list', look({ body: [TOKEN] }), 'discovery_malformed'],
    ['null', look({ body: 'null' }), 'discovery_malformed'],
    ['a text', look({ body: `"${TOKEN}"` }), 'discovery_malformed'],
    ['no token endpoint', look({ body: { issuer: 'x' } }), 'discovery_malformed'],
    [
      'a token endpoint of Object.prototype',
      look({ body: { toString: TOKEN } }),
      'discovery_malformed',
    ],
    ['an empty token endpoint', named(''), 'discovery_malformed'],
    ['a list of token endpoints', named([TOKEN]), 'discovery_malformed'],
    ['a token endpoint that is no URL', named('https://'), 'discovery_malformed'],
    ['an endless token endpoint', named(`${TOKEN}?${'x'.repeat(3000)}`), 'discovery_malformed'],
    ['a token endpoint over http', named(TOKEN.replace('https', 'http')), 'discovery_malformed'],
    ['a token endpoint on our machine', named('http://127.0.0.1/token'), 'discovery_malformed'],
    ['a script', named('javascript:alert(1)'), 'discovery_malformed'],
    ['a file', named('file:///etc/passwd'), 'discovery_malformed'],
    ['a user', named(TOKEN.replace('//', '//a:b@')), 'discovery_malformed'],
    ['a fragment', named(`${TOKEN}#x`), 'discovery_malformed'],
    ['another company', named('https://token.example.org/'), 'discovery_other_domain'],
    ['another scheme-relative host', named('//token.example.org/'), 'discovery_other_domain'],
    ['a lookalike', named('https://mercyexample.com/token'), 'discovery_other_domain'],
    ['a name behind ours', named('https://example.com.evil.net/token'), 'discovery_other_domain'],
    ['an address', named('https://192.0.2.1/token'), 'discovery_other_domain'],
    ['https on our machine', named('https://localhost/token'), 'discovery_other_domain'],
    ['a public suffix', named('https://com/token'), 'discovery_other_domain'],
  ])('%s', async (_, answer, code) => {
    expect(await refusal(answer)).toBe(code)
  })
})

describe('a base that cannot be asked is refused before anything is sent', () => {
  test.each([
    'http://fhir.example.com/r4',
    'ftp://127.0.0.1/r4',
    'fhir.example.com/r4',
    `${BASE}?tenant=1`,
    `${BASE}#x`,
    'https://a:b@fhir.example.com/r4',
    '',
  ])('%s', async fhirBase => {
    const visit = () => Promise.reject(new Error('it was asked'))
    await expect(discover(question({ fhirBase }), visit)).rejects.toMatchObject({
      code: 'fhir_base_unusable',
    })
  })
})

describe('the token endpoint', () => {
  test.each<[string, string, string, string]>([
    ['as it is', BASE, TOKEN, TOKEN],
    ['on a sister host', BASE, 'https://auth.example.com/token', 'https://auth.example.com/token'],
    ['relative to the base', BASE, 'oauth2/token', `${BASE}/oauth2/token`],
    ['relative to the host', BASE, '/oauth2/token', TOKEN],
    ['relative, on this machine', LOCAL, 'token', `${LOCAL}/token`],
    ['over http, on this machine', LOCAL, 'http://127.0.0.1:1/t', 'http://127.0.0.1:1/t'],
    [
      'as it is sent',
      BASE,
      'HTTPS://FHIR.mercy.example.com:443/a/../t',
      'https://fhir.mercy.example.com/t',
    ],
  ])('is taken %s', async (_, fhirBase, written, expected) => {
    expect(await refusal(named(written), { fhirBase })).toBe(expected)
  })

  test.each<[string, string, string]>([
    [
      'two customers of a cloud',
      'https://mercy.azurewebsites.net/r4',
      'https://evil.azurewebsites.net/t',
    ],
    ['two addresses', 'https://192.0.2.1/r4', 'https://192.0.2.2/t'],
    ['two names without a dot', 'https://ehr/r4', 'https://hre/t'],
  ])('is another domain: %s', async (_, fhirBase, written) => {
    expect(await refusal(named(written), { fhirBase })).toBe('discovery_other_domain')
  })

  test('on another domain is taken where the host is accepted, and it is said', async () => {
    const there = named('https://token.example.org/t')
    const accepted = ['token.example.org']
    expect(await found(there, { accepted })).toMatchObject({
      tokenEndpoint: 'https://token.example.org/t',
      warnings: ['other_domain'],
    })
    for (const other of ['example.org', 'a.token.example.org', 'token.example.org.net'])
      expect(await refusal(there, { accepted: [other] })).toBe('discovery_other_domain')
  })
})

describe('what is odd is said, and no reason to refuse', () => {
  test.each<[string, Look, string[]]>([
    ['another type', look({ headers: { 'content-type': 'text/plain' } }), ['type_not_json']],
    ['no type', look({ headers: {} }), ['type_not_json']],
    ['FHIR’s own type', look({ headers: { 'content-type': 'application/fhir+json' } }), []],
    ['a byte order mark', look({ body: `\ufeff{"token_endpoint":"${TOKEN}"}` }), []],
    ['a relative token endpoint', named('/oauth2/token'), ['token_endpoint_relative']],
    ['a default port', named(TOKEN.replace('.com', '.com:443')), ['token_endpoint_rewritten']],
    [
      'other methods',
      named(TOKEN, { token_endpoint_auth_methods_supported: ['none'] }),
      ['auth_method_unlisted'],
    ],
    [
      'other algorithms',
      named(TOKEN, { token_endpoint_auth_signing_alg_values_supported: ['ES384'] }),
      ['alg_unlisted'],
    ],
    ['other grants', named(TOKEN, { grant_types_supported: [] }), ['grant_type_unlisted']],
    [
      'methods of a wrong form',
      named(TOKEN, { token_endpoint_auth_methods_supported: 'none' }),
      [],
    ],
    [
      'algorithms of a wrong form',
      named(TOKEN, { token_endpoint_auth_signing_alg_values_supported: [1] }),
      [],
    ],
  ])('%s', async (_, answer, warnings) => {
    expect((await found(answer)).warnings).toEqual(warnings)
  })
})

describe('what is pinned is compared with what the server says now', () => {
  const pinned = { fhirBase: BASE, tokenEndpoint: TOKEN, clientId: 'app', alg: 'RS384' } as const
  test.each<[string, Look, object]>([
    ['the same', look(), { state: 'same' }],
    ['another path', named(`${TOKEN}2`), { state: 'changed', now: `${TOKEN}2` }],
    [
      'another company',
      named('https://evil.net/t'),
      { state: 'changed', now: 'https://evil.net/t' },
    ],
    ['no answer', look({ failure: 'timeout' }), { state: 'unknown' }],
    ['a page', look({ body: '<html>' }), { state: 'unknown' }],
  ])('%s', async (_, answer, expected) => {
    expect(await compare(pinned, async () => answer)).toMatchObject(expected)
  })

  test('why nothing is known is said', async () => {
    const compared = await compare(pinned, async () => look({ status: 404 }))
    expect(compared).toEqual({ state: 'unknown', error: expect.any(BrokerError) })
    expect(compared).toMatchObject({ error: { code: 'discovery_not_found' } })
  })
})
