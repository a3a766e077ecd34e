import { compactVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import type { SigningKey } from '../../../broker/keys/signing-keys.ts'
import { loadTokenKeys } from '../../../broker/pkcs11/token.ts'
import { ecPair, rsaPair } from '../../support/keys.ts'
import { onlyKey, PIN, pemOf, softToken } from '../../support/token.ts'

const assertionBy = (key: SigningKey, jti = 'x'): Promise<string> =>
  key.signJwt({ typ: 'JWT', kid: key.kid, alg: key.alg }, { jti })

test('many assertions at once are each signed whole', async () => {
  const token = softToken()
  token.put(pemOf(ecPair('P-256')))
  const key = await onlyKey(token)
  const jwk = ecPair('P-256').publicKey
  const all = await Promise.all(Array.from({ length: 60 }, (_, at) => assertionBy(key, `${at}`)))
  const payloads = await Promise.all(all.map(jws => compactVerify(jws, jwk)))
  const found = payloads.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()).jti)
  expect(new Set(found).size).toBe(60)
})

describe('a session that is lost', () => {
  test('is met by a new one with a new login, and the request notices nothing', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()))
    const key = await onlyKey(token)
    const before = await assertionBy(key)
    await token.endSessions()
    expect(await assertionBy(key)).toBe(before)
  })

  test('for good is signing_failed with the library’s own word, and no secret', async () => {
    const token = softToken()
    token.put(pemOf(rsaPair()))
    const key = await onlyKey(token)
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
  const key = await onlyKey(token)
  const outcome = () => assertionBy(key).catch(error => error.facts.reason)
  await token.changePin('99887766')
  expect(await outcome()).toBe('CKR_PIN_INCORRECT')
  // It would open the token now, if it were offered.
  await token.changePin(PIN, '99887766')
  for (let times = 0; times < 10; times++) expect(await outcome()).toBe('CKR_PIN_INCORRECT')
  expect((await loadTokenKeys(token.source)).complaints).toEqual([])
  expect(await outcome()).toContain('.')
})

test('a new PIN counts from the next login on, and the login that is there stays', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair()))
  const key = await onlyKey(token)
  const pin = { ...token.source.pin, text: '99887766' }
  expect((await loadTokenKeys({ ...token.source, pin })).complaints).toEqual([])
  const before = await assertionBy(key)
  await token.changePin('99887766')
  expect(await assertionBy(key)).toBe(before)
})

test('a key that comes into the token is there at the next load, and the others sign on', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair()))
  const key = await onlyKey(token)
  const before = await assertionBy(key)
  token.put(pemOf(ecPair('P-384')))
  expect((await loadTokenKeys(token.source)).keys.map(each => each.alg).sort()).toEqual([
    'ES384',
    'RS384',
  ])
  expect(await assertionBy(key)).toBe(before)
})

test('a PIN that is wrong when it is loaded takes nothing from the keys that are there', async () => {
  const token = softToken()
  token.put(pemOf(rsaPair()))
  const key = await onlyKey(token)
  const before = await assertionBy(key)
  await token.endSessions()
  const pin = { ...token.source.pin, text: '99887766' }
  const { complaints } = await loadTokenKeys({ ...token.source, pin })
  expect(complaints.map(each => each.setting)).toEqual(['/pinFile'])
  expect(await assertionBy(key)).toBe(before)
})
