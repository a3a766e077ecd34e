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
import { PIN, type SoftToken, softToken } from '../../support/token.ts'
import { upstream } from '../../support/upstream.ts'

const NOW = Date.UTC(2026, 10, 25)
const pemOf = ({ privateKey }: Pair): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const PAIRS: Record<Alg, () => Pair> = {
  RS256: rsaPair,
  RS384: rsaPair,
  RS512: rsaPair,
  ES256: () => ecPair('P-256'),
  ES384: () => ecPair('P-384'),
}

/** The one key of a token that holds the pair, loaded. */
async function loaded(token: SoftToken): Promise<SigningKey> {
  const { keys, complaints } = await loadTokenKeys(token.source)
  expect(complaints).toEqual([])
  const [key, ...others] = keys
  if (!key || others.length > 0) throw new Error(`${keys.length} keys`)
  return key
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
    const key = await loaded(token)
    expect(await assertionBy(key)).toBe(await assertionBy(fromFile(alg)))
  })

  test.each<Alg>(['ES256', 'ES384'])('%s, as OpenSSL and jose verify it', async alg => {
    const token = softToken()
    token.put(pemOf(PAIRS[alg]()))
    const [inside, file] = [
      await assertionBy(await loaded(token)),
      await assertionBy(fromFile(alg)),
    ]
    expect(inside.split('.').slice(0, 2)).toEqual(file.split('.').slice(0, 2))
    const { publicKey } = PAIRS[alg]()
    expect(opensslVerifies(inside, publicKey.export({ format: 'jwk' }))).toBe(true)
    await compactVerify(inside, publicKey, { algorithms: [alg] })
  })
})

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

test('many assertions at once are each signed whole', async () => {
  const token = softToken()
  token.put(pemOf(ecPair('P-256')))
  const key = await loaded(token)
  const jwk = ecPair('P-256').publicKey
  const all = await Promise.all(
    Array.from({ length: 60 }, (_, at) => key.signJwt({ typ: 'JWT' }, { jti: `${at}` })),
  )
  const payloads = await Promise.all(all.map(jws => compactVerify(jws, jwk)))
  const found = payloads.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()).jti)
  expect(new Set(found).size).toBe(60)
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

describe('a session that is lost', () => {
  test('is met by a new one with a new login, and the request notices nothing', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()))
    const key = await loaded(token)
    const before = await assertionBy(key)
    await token.endSessions()
    expect(await assertionBy(key)).toBe(before)
  })

  test('for good is signing_failed with the library’s own word, and no secret', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()))
    const key = await loaded(token)
    await token.remove()
    const error = await assertionBy(key).catch(each => each)
    expect(error).toMatchObject({ code: 'signing_failed', facts: { kid: key.kid } })
    expect(error.facts.reason).toMatch(/^CKR_/)
    expect(JSON.stringify([error, error.facts, `${error.cause}`])).not.toContain(PIN)
  })
})

test('a PIN that was refused is not offered again until the config is loaded again', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair()))
  const key = await loaded(token)
  await token.changePin('99887766')
  const reasons: unknown[] = []
  for (let times = 0; times < 20; times++)
    reasons.push(await assertionBy(key).catch(error => error.facts.reason))
  expect(new Set(reasons)).toEqual(new Set(['CKR_PIN_INCORRECT']))
  const pin = { ...token.source.pin, text: '99887766' }
  expect((await loadTokenKeys({ ...token.source, pin })).complaints).toEqual([])
  expect(await assertionBy(key)).toContain('.')
})

test('a key that comes into the token is there at the next load, and the others sign on', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair()))
  const key = await loaded(token)
  const before = await assertionBy(key)
  token.put(pemOf(ecPair('P-384')))
  expect((await loadTokenKeys(token.source)).keys.map(each => each.alg).sort()).toEqual([
    'ES384',
    'RS384',
  ])
  expect(await assertionBy(key)).toBe(before)
})
