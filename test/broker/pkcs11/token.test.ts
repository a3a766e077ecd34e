import { generateKeyPairSync } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { compactVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { loadSigningKeys, type SigningKey } from '../../../broker/keys/signing-keys.ts'
import { loadTokenKeys } from '../../../broker/pkcs11/token.ts'
import { makeAssertion } from '../../../broker/upstream/assertion.ts'
import type { Alg } from '../../../keys-pipeline/algorithms.ts'
import { ecPair, folderWith, type Pair, rsaPair } from '../../support/keys.ts'
import { opensslVerifies } from '../../support/openssl.ts'
import { onlyKey, pemOf, type SoftToken, softToken } from '../../support/token.ts'
import { upstream } from '../../support/upstream.ts'

const NOW = Date.UTC(2026, 10, 25)
const PAIRS: Record<Alg, () => Pair> = {
  RS256: rsaPair,
  RS384: rsaPair,
  RS512: rsaPair,
  ES256: () => ecPair('P-256'),
  ES384: () => ecPair('P-384'),
}

const assertionBy = (key: SigningKey): Promise<string> => makeAssertion(upstream(), key, NOW, 'jti')

describe('a token signs the assertion that the key would sign from a file', () => {
  const fromFile = (alg: Alg): SigningKey => {
    const jwk = { ...PAIRS[alg]().privateKey.export({ format: 'jwk' }), alg }
    const folder = folderWith({ 'key.jwk.json': jwk })
    chmodSync(join(folder, 'key.jwk.json'), 0o600)
    const [key] = loadSigningKeys(folder).keys
    if (!key) throw new Error(alg)
    return key
  }

  test.each<[Alg, string]>([
    ['RS256', ''],
    ['RS384', ''],
    ['RS512', ''],
    // As tokens are that sign digests only.
    ['RS256', 'slots.mechanisms = -CKM_SHA256_RSA_PKCS'],
    ['RS384', 'slots.mechanisms = -CKM_SHA384_RSA_PKCS'],
    ['RS512', 'slots.mechanisms = -CKM_SHA512_RSA_PKCS'],
  ])('%s, byte by byte; %s', async (alg, settings) => {
    const token = softToken(settings)
    token.put(pemOf(PAIRS[alg]()), `alg:${alg}`)
    const key = await onlyKey(token)
    expect(await assertionBy(key)).toBe(await assertionBy(fromFile(alg)))
  })

  test('and by another alg, where the key is published under another', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()), 'alg:RS384')
    const published = { ...(await onlyKey(token)), alg: 'RS256' as const }
    expect(await assertionBy(published)).toBe(await assertionBy(fromFile('RS256')))
  })

  test('but not by one that it cannot have', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()), 'alg:RS384')
    const key = await onlyKey(token)
    const header = { typ: 'JWT', kid: key.kid, alg: 'HS256' }
    await expect(key.signJwt(header, {})).rejects.toMatchObject({ code: 'signing_failed' })
  })

  test.each<Alg>(['ES256', 'ES384'])('%s, as OpenSSL and jose verify it', async alg => {
    const token = softToken()
    token.put(pemOf(PAIRS[alg]()))
    const [inside, file] = [
      await assertionBy(await onlyKey(token)),
      await assertionBy(fromFile(alg)),
    ]
    expect(inside.split('.').slice(0, 2)).toEqual(file.split('.').slice(0, 2))
    const { publicKey } = PAIRS[alg]()
    expect(opensslVerifies(inside, publicKey.export({ format: 'jwk' }))).toBe(true)
    await compactVerify(inside, publicKey, { algorithms: [alg] })
  })
})

describe('a complaint of its own, with the setting, is made of', () => {
  test.each<[string, string, (token: SoftToken) => object]>([
    ['a library that is not there', '/library', () => ({ library: '/nowhere/lib.so' })],
    ['a file that is no library', '/library', ({ env }) => ({ library: env.SOFTHSM2_CONF })],
    ['a library that is not of PKCS#11', '/library', () => ({ library: 'libm.so.6' })],
    ['a token that is not there', '/token', () => ({ label: 'another' })],
    ['a wrong PIN', '/pinFile', ({ source }) => ({ pin: { ...source.pin, text: '11111111' } })],
    ['a token without a key', '/token', () => ({})],
    ['a key under 2048 bits', '/token', token => weak(token, 'rsa')],
    ['a curve that EHRs do not take', '/token', token => weak(token, 'ec')],
    ['an alg that is not the key’s', '/token', token => put(token, pemOf(rsaPair()), 'alg:ES256')],
    ['an alg that the token has no way to sign', '/token', token => put(token, pemOf(rsaPair()))],
  ])('%s', async (name, setting, change) => {
    const settings = name.startsWith('an alg that the token') ? 'slots.mechanisms = CKM_ECDSA' : ''
    const token = softToken(settings)
    const { keys, complaints } = await loadTokenKeys({ ...token.source, ...change(token) })
    expect(keys).toEqual([])
    expect(complaints.map(each => each.setting)).toEqual([setting])
    expect(JSON.stringify(complaints)).not.toMatch(/24681357|11111111/)
  })

  const put = (token: SoftToken, pem: string, label = ''): object => {
    token.put(pem, label)
    return {}
  }
  const weak = (token: SoftToken, type: 'rsa' | 'ec'): object => {
    const pair =
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 1024 })
        : generateKeyPairSync('ec', { namedCurve: 'P-521' })
    return put(token, pemOf(pair))
  }
})
