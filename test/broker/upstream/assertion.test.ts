import type { JsonWebKey } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadSigningKeys, type SigningKey } from '../../../broker/keys/signing-keys.ts'
import { makeAssertion } from '../../../broker/upstream/assertion.ts'
import { ALGS, type Alg } from '../../../keys-pipeline/algorithms.ts'
import { opensslVerifies } from '../../support/openssl.ts'
import { upstream } from '../../support/upstream.ts'
import { makeKey } from '../../support/world.ts'

const NOW = Date.UTC(2026, 10, 25)
let folder: string
const keys = new Map<Alg, { signer: SigningKey; publicKey: JsonWebKey }>()

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-assertion-'))
  for (const alg of ALGS) makeKey(folder, alg)
  const published = readdirSync(join(folder, 'keys', 'nonprod'))
    .filter(name => name.endsWith('.jwk.json'))
    .map(name => JSON.parse(readFileSync(join(folder, 'keys', 'nonprod', name), 'utf8')))
  for (const signer of loadSigningKeys(join(folder, 'private')).keys) {
    keys.set(signer.alg, { signer, publicKey: published.find(jwk => jwk.kid === signer.kid) })
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

const signed = async (alg: Alg = 'ES384', parts = {}) => {
  const key = keys.get(alg)
  if (!key) throw new Error(alg)
  return { jwt: await makeAssertion(upstream(parts), key.signer, NOW, 'a-jti'), ...key }
}

test.each(ALGS)(
  'OpenSSL verifies an assertion signed with %s against the published key',
  async alg => {
    const { jwt, publicKey, signer } = await signed(alg)
    expect(opensslVerifies(jwt, publicKey)).toBe(true)
    expect(decodeProtectedHeader(jwt)).toEqual({ alg, kid: signer.kid, typ: 'JWT' })
  },
)

test('OpenSSL refuses an assertion that was changed', async () => {
  const { jwt, publicKey } = await signed()
  const [header, payload = '', signature] = jwt.split('.')
  const changed = Buffer.from(payload, 'base64url').toString().replace('our-client', 'not-client')
  expect(
    opensslVerifies(
      [header, Buffer.from(changed).toString('base64url'), signature].join('.'),
      publicKey,
    ),
  ).toBe(false)
})

describe('the claims', () => {
  test('are those of RFC 7523 and no others, with five minutes from nbf to exp', async () => {
    const { jwt } = await signed()
    const seconds = NOW / 1000
    expect(decodeJwt(jwt)).toEqual({
      iss: 'our-client',
      sub: 'our-client',
      aud: 'https://ehr.example.com/oauth2/token',
      jti: 'a-jti',
      iat: seconds - 60,
      nbf: seconds - 60,
      exp: seconds + 240,
    })
  })

  test('name another audience only where the config says so', async () => {
    const assertionAudience = {
      value: 'https://inside.example.com/token',
      reason: 'a proxy hides the real URL',
    }
    expect(decodeJwt((await signed('ES384', { assertionAudience })).jwt).aud).toBe(
      'https://inside.example.com/token',
    )
  })
})
