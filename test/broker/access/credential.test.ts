import { describe, expect, test } from 'vitest'
import { claimedId, readCredential, signerOf } from '../../../broker/access/credential.ts'
import { codeOf, presented } from '../../support/callers.ts'
import { unsigned } from '../../support/tokens.ts'
import { basic } from '../../support/world.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION = { client_assertion: 'a.b.c', client_assertion_type: JWT_BEARER }
const CERTIFICATE = { names: ['DNS:a'], notBefore: 0, notAfter: 1 }
const certificate = () => CERTIFICATE

describe('one credential is read', () => {
  test.each([
    ['a secret', presented({ authorization: basic('a', 's') }), 'client_secret_basic'],
    [
      'in the body',
      presented({ form: { client_id: 'a', client_secret: 's' } }),
      'client_secret_post',
    ],
    ['an assertion', presented({ form: ASSERTION }), 'client_assertion'],
    ['with its id', presented({ form: { ...ASSERTION, client_id: 'a' } }), 'client_assertion'],
    ['a certificate', presented({ certificate }), 'tls_client_auth'],
    ['with its id', presented({ certificate, form: { client_id: 'a' } }), 'tls_client_auth'],
    [
      'a secret on a connection that has a certificate, as in a mesh',
      presented({ certificate, authorization: basic('a', 's') }),
      'client_secret_basic',
    ],
    [
      'an assertion on a connection that has a certificate',
      presented({ certificate, form: ASSERTION }),
      'client_assertion',
    ],
  ])('%s', (_, request, method) => {
    expect(readCredential(request).method).toBe(method)
  })
})

describe('is refused', () => {
  test.each([
    [
      'an assertion and Basic',
      { authorization: basic('a', 's'), form: ASSERTION },
      'auth_methods_several',
    ],
    [
      'an assertion and a secret',
      { form: { ...ASSERTION, client_secret: 's' } },
      'auth_methods_several',
    ],
    [
      'an assertion without a type',
      { form: { client_assertion: 'a.b.c' } },
      'credentials_malformed',
    ],
    [
      'an assertion of another type',
      {
        form: {
          ...ASSERTION,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
        },
      },
      'credentials_malformed',
    ],
    [
      'an assertion for an id that is none',
      { form: { ...ASSERTION, client_id: 'a b' } },
      'credentials_malformed',
    ],
    [
      'a secret without an id, certificate or not',
      { certificate, form: { client_secret: 's' } },
      'credentials_missing',
    ],
    ['a type alone', { form: { client_assertion_type: JWT_BEARER } }, 'credentials_missing'],
    ['nothing', {}, 'credentials_missing'],
  ])('%s', async (_, parts, code) => {
    expect(await codeOf(() => readCredential(presented(parts)))).toBe(code)
  })
})

test('whoever signs its own assertion names itself twice, and by the id of a service', () => {
  expect(signerOf({ iss: 'a', sub: 'a' })).toBe('a')
  for (const [iss, sub] of [
    ['a', 'b'],
    ['https://a', 'https://a'],
    [['a'], ['a']],
    [undefined, undefined],
  ])
    expect(signerOf({ iss, sub })).toBeUndefined()
})

describe('who is claimed is told only in the form of an id or a subject', () => {
  const asserted = (sub: unknown) =>
    presented({
      form: { ...ASSERTION, client_id: 'other', client_assertion: unsigned({}, { sub }) },
    })
  test.each([
    [presented({ authorization: basic('billing', 'x') }), 'billing'],
    [presented({ authorization: 'Basic !!!' }), null],
    [presented({ form: { client_id: 'billing' } }), 'billing'],
    [presented({ form: { client_id: 'a b\n' } }), null],
    [presented(), null],
    [asserted('system:serviceaccount:prod:billing'), 'system:serviceaccount:prod:billing'],
    [asserted('a b'), null],
    [asserted('a\n{"decision":"granted"}'), null],
    [asserted('x'.repeat(501)), null],
    [asserted(['a']), null],
    [presented({ form: { ...ASSERTION, client_assertion: 'x' } }), null],
  ])('%#: %s', (request, expected) => {
    expect(claimedId(request)).toBe(expected)
  })
})
