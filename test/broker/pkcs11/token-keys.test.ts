import { createPublicKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { loadTokenKeys } from '../../../broker/pkcs11/token.ts'
import { labelOf } from '../../../broker/pkcs11/token-keys.ts'
import { thumbprint } from '../../../keys-pipeline/jwk.ts'
import { ecPair, rsaPair } from '../../support/keys.ts'
import { pemOf, softToken } from '../../support/token.ts'

test('a key keeps the kid and alg that its label says are registered, and is else called by its thumbprint', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair(0)), 'alg:RS256 kid:our key of 2019')
  token.put(pemOf(rsaPair(1)), 'kid:named')
  token.put(pemOf(ecPair('P-256')), 'what somebody called it')
  const { keys } = await loadTokenKeys(token.source)
  const names = keys.map(({ kid, alg, thumbprint }) => [alg, kid === thumbprint ? 'print' : kid])
  expect(names.sort()).toEqual([
    ['ES256', 'print'],
    ['RS256', 'our key of 2019'],
    ['RS384', 'named'],
  ])
})

test.each([
  ['RSA', 'RSA', () => rsaPair()],
  ['P-256', 'EC', () => ecPair('P-256')],
  ['P-384', 'EC', () => ecPair('P-384')],
] as const)('the public half of a key is read as OpenSSL wrote it: %s', async (_, kty, make) => {
  const token = softToken()
  token.put(pemOf(make()))
  const { keys } = await loadTokenKeys(token.source)
  const jwk = createPublicKey(pemOf(make())).export({ format: 'jwk' })
  expect(keys.map(key => key.thumbprint)).toEqual([thumbprint({ ...jwk }, kty)])
})

test.each([
  ['an EC key', () => ecPair('P-256'), 1],
  ['an RSA key, which bears it itself', () => rsaPair(), 0],
])('a public half that is gone is a complaint, but of no use to: %s', async (_, make, faults) => {
  const token = softToken()
  token.put(pemOf(make()), '', 'abcd')
  token.look('--delete-object', '--type', 'pubkey', '--id', 'abcd')
  const { keys, complaints } = await loadTokenKeys(token.source)
  expect([complaints.length, keys.length]).toEqual([faults, 1 - faults])
  for (const { message } of complaints) expect(message).toContain('id=%ab%cd')
})

test.each([
  ['the CKA_ID in hexadecimal', 'name', 'abcd', /;id=%ab%cd$/],
  [
    'the token and no character of a label',
    'a;b\u001b[31m',
    '01',
    /^pkcs11:token=lockstep-test;id=%01$/,
  ],
])('a key is called by %s', async (_, label, id, name) => {
  const token = softToken()
  token.put(pemOf(rsaPair()), label, id)
  const { keys } = await loadTokenKeys(token.source)
  expect(keys.map(key => key.file)).toEqual([expect.stringMatching(name)])
})

test('a label is written as it is read', () => {
  expect(labelOf({ alg: 'RS256', kid: 'our key of 2019' })).toBe('alg:RS256 kid:our key of 2019')
  expect(labelOf({ alg: 'ES384' })).toBe('alg:ES384')
})
