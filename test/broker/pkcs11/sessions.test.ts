import { compactVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import type { SigningKey } from '../../../broker/keys/signing-keys.ts'
import { loadTokenKeys } from '../../../broker/pkcs11/token.ts'
import { ecPair, rsaPair } from '../../support/keys.ts'
import { onlyKey, PIN, pemOf, softToken } from '../../support/token.ts'

const assertionBy = (key: SigningKey): Promise<string> => key.signJwt({ typ: 'JWT' }, { jti: 'x' })

test('many assertions at once are each signed whole', async () => {
  const token = softToken()
  token.put(pemOf(ecPair('P-256')))
  const key = await onlyKey(token)
  const jwk = ecPair('P-256').publicKey
  const all = await Promise.all(
    Array.from({ length: 60 }, (_, at) => key.signJwt({ typ: 'JWT' }, { jti: `${at}` })),
  )
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
  const key = await onlyKey(token)
  const before = await assertionBy(key)
  token.put(pemOf(ecPair('P-384')))
  expect((await loadTokenKeys(token.source)).keys.map(each => each.alg).sort()).toEqual([
    'ES384',
    'RS384',
  ])
  expect(await assertionBy(key)).toBe(before)
})
