import { describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { KEY_URL, keySite } from '../../support/key-site.ts'
import { ecSigner, keysOf, rsaSigner } from '../../support/tokens.ts'

const old = rsaSigner('old', 0)
const next = rsaSigner('next', 1)
const RS = 'RS256' as const

function looking(...signers: Parameters<typeof keySite>) {
  const { site, clock, keyFor } = keySite(...signers)
  const look = (kid: string | null, address = '192.0.2.1', alg: 'RS256' | 'ES256' = RS) =>
    keyFor(KEY_URL, { alg, kid }, address).then(
      key => key.asymmetricKeyType ?? '',
      error => asBrokerError(error).code,
    )
  /** So that what goes on behind the callers' backs comes to its end. */
  const settle = () => new Promise(done => setImmediate(done))
  return { site, clock, look, settle }
}

test('a set is fetched once, however many wait for it', async () => {
  const { site, look } = looking(old)
  const all = await Promise.all(Array.from({ length: 100 }, () => look('old')))
  expect([new Set(all), site.fetches]).toEqual([new Set(['rsa']), 1])
})

describe('the key of a token', () => {
  const keys = keysOf(rsaSigner('a'), ecSigner('b'), rsaSigner('twice', 0), rsaSigner('twice', 1))
  const { look } = looking()
  const from = async (kid: string | null, alg: 'RS256' | 'ES256') => {
    const { keyFor } = keySite()
    return keyFor({ keys }, { alg, kid }, '').then(
      () => 'found',
      error => asBrokerError(error).code,
    )
  }
  test.each<[string, string | null, 'RS256' | 'ES256', string]>([
    ['is the one of its kid', 'a', RS, 'found'],
    ['may be the only one of its algorithm', null, 'ES256', 'found'],
    ['is none where several could be meant', null, RS, 'assertion_key_unknown'],
    ['is none where two have its kid', 'twice', RS, 'assertion_key_unknown'],
    ['is none for another algorithm (confusion)', 'a', 'ES256', 'assertion_key_unknown'],
    ['is not found by a path', '../a', RS, 'assertion_key_unknown'],
    ['is not found by a URL', 'https://evil.example/jwks#a', RS, 'assertion_key_unknown'],
    ['is not found by a name of Object.prototype', 'constructor', RS, 'assertion_key_unknown'],
    ['is not found by an index', '0', RS, 'assertion_key_unknown'],
    ['is not found by nothing', '', RS, 'assertion_key_unknown'],
  ])('%s', async (_, kid, alg, expected) => {
    expect(await from(kid, alg)).toBe(expected)
  })

  test('of a set that cannot be had is unavailable, not unknown', async () => {
    const { site, look: at } = looking(old)
    site.isDown = true
    expect(await at('old')).toBe('caller_keys_unavailable')
    expect(await look('x')).toBe('assertion_key_unknown')
  })
})

describe('age', () => {
  test('for ten minutes a set is fresh; then it is renewed, and nobody waits', async () => {
    const { site, clock, look, settle } = looking(old)
    await look('old')
    clock.advance(599)
    await look('old')
    expect(site.fetches).toBe(1)
    clock.advance(2)
    site.keys = keysOf(next)
    expect(await look('old')).toBe('rsa')
    await settle()
    expect([site.fetches, await look('old')]).toEqual([2, 'assertion_key_unknown'])
  })

  test('after an hour without a caller the new set is waited for: a key that was taken out is not believed', async () => {
    const { site, clock, look } = looking(old)
    await look('old')
    clock.advance(3601)
    site.keys = keysOf(next)
    expect(await look('old')).toBe('assertion_key_unknown')
  })

  test('an issuer that is down keeps nobody out whose key is known, for a day', async () => {
    const { site, clock, look, settle } = looking(old)
    await look('old')
    site.isDown = true
    for (let hour = 0; hour < 23; hour++) {
      clock.advance(3600)
      expect(await look('old')).toBe('rsa')
      await settle()
    }
    clock.advance(3601)
    expect(await look('old')).toBe('caller_keys_unavailable')
    site.isDown = false
    clock.advance(5)
    expect(await look('old')).toBe('rsa')
  })

  test('an issuer that is down is asked every five seconds, however many ask us', async () => {
    const { site, clock, look } = looking(old)
    site.isDown = true
    for (let at = 0; at < 100; at++) await look('old')
    expect(site.fetches).toBe(1)
    clock.advance(5)
    await look('old')
    expect(site.fetches).toBe(2)
  })

  test('an issuer that publishes no key at all means it', async () => {
    const { site, clock, look } = looking(old)
    await look('old')
    site.keys = []
    clock.advance(3601)
    expect(await look('old')).toBe('assertion_key_unknown')
  })
})

describe('a kid that is not in the set', () => {
  test('has the set fetched once more, and is found if it is new', async () => {
    const { site, look } = looking(old)
    await look('old')
    site.keys = keysOf(old, next)
    expect([await look('next'), site.fetches]).toEqual(['rsa', 2])
  })

  test('does not have a set fetched twice that nobody had before', async () => {
    const { site, look } = looking(old)
    expect([await look('strange'), site.fetches]).toEqual(['assertion_key_unknown', 1])
  })

  test('costs the issuer twelve fetches a minute at the most, and six from one address', async () => {
    const { site, clock, look } = looking(old)
    await look('old')
    for (let second = 0; second < 600; second++) {
      for (let at = 0; at < 20; at++) await look(`strange-${second}-${at}`, '192.0.2.66')
      clock.advance(1)
    }
    expect(site.fetches).toBeLessThanOrEqual(3 + 60)
    const before = site.fetches
    for (let second = 0; second < 600; second++) {
      for (let at = 0; at < 20; at++) await look(`s-${second}-${at}`, `192.0.2.${at}`)
      clock.advance(1)
    }
    expect(site.fetches - before).toBeLessThanOrEqual(6 + 120)
    expect(site.fetches - before).toBeGreaterThan(100)
  })

  test('leaves the key that is known alone when the issuer is down', async () => {
    const { site, look } = looking(old)
    await look('old')
    site.isDown = true
    expect([await look('next'), await look('old')]).toEqual(['caller_keys_unavailable', 'rsa'])
  })
})

test('two sources that differ in what is trusted share nothing', async () => {
  const { site, keyFor } = keySite(old)
  await keyFor(KEY_URL, { alg: RS, kid: 'old' }, '')
  await keyFor({ ...KEY_URL, ca: 'another' }, { alg: RS, kid: 'old' }, '')
  await keyFor({ ...KEY_URL, tokenFile: '/token' }, { alg: RS, kid: 'old' }, '')
  expect(site.fetches).toBe(3)
})
