import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openPrivateKey } from '../../keys-pipeline/private-key.ts'
import {
  asIs,
  codes,
  ecPair,
  folderWith,
  freshEc,
  privateJwk,
  published,
  refusal,
  rsaJwk,
  rsaPair,
  spki,
} from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'

const file = (content: string | object): string => join(folderWith({ key: content }), 'key')
const pem = (type: 'pkcs1' | 'pkcs8'): string =>
  rsaPair().privateKey.export({ type, format: 'pem' }).toString()

test.each<[string, () => string | object]>([
  ['PKCS#8', () => pem('pkcs8')],
  ['PKCS#1', () => pem('pkcs1')],
  ['a JWK', () => privateJwk()],
])('%s is opened, and its public half is the one that would be published', (_, content) => {
  expect(openPrivateKey(file(content()), asIs).half.thumbprint).toBe(published(rsaJwk()).thumbprint)
})

test('an EC key in SEC 1 is opened, and a JWK keeps its kid and alg', () => {
  const sec1 = ecPair().privateKey.export({ type: 'sec1', format: 'pem' }).toString()
  expect(openPrivateKey(file(sec1), asIs).half.jwk.alg).toBe('ES256')
  const named = file({ ...privateJwk(), kid: 'mine', alg: 'RS256' })
  expect(openPrivateKey(named, asIs).half.jwk).toMatchObject({ kid: 'mine', alg: 'RS256' })
})

describe('is refused', () => {
  const encrypted = () =>
    openssl(['pkey', '-aes256', '-passout', 'pass:x'], pem('pkcs8')).toString()
  test.each<[string, () => string | object, string]>([
    ['a public key', () => spki(rsaPair().publicKey), 'private_key_unusable'],
    ['a public JWK', () => rsaJwk(), 'private_key_unusable'],
    ['an encrypted key', encrypted, 'private_key_unusable'],
    ['half a JWK', () => JSON.stringify(privateJwk()).slice(0, 99), 'private_key_unusable'],
    [
      'an Ed25519 key',
      () => openssl(['genpkey', '-algorithm', 'ed25519']).toString(),
      'private_key_unusable',
    ],
    ['nothing', () => '', 'private_key_unusable'],
    ['a curve that EHRs do not take', () => freshEc('secp256k1').privatePem, 'curve_unsupported'],
    ['an alg that does not fit', () => ({ ...privateJwk(), alg: 'ES256' }), 'alg_mismatch'],
  ])('%s', (_, content, code) => {
    const found = refusal(() => openPrivateKey(file(content()), asIs))
    expect(codes(found)).toEqual([code])
  })
})
