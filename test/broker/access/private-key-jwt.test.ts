import { describe, expect, test } from 'vitest'
import { readJwt } from '../../../broker/access/jwt.ts'
import { openKeySets } from '../../../broker/access/key-sets.ts'
import { serviceThatSigned } from '../../../broker/access/private-key-jwt.ts'
import { openReplays } from '../../../broker/access/replays.ts'
import { ADDRESS, accessOf, codeOf, ISSUER } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'
import { ecSigner, keysOf, rsaSigner, type Signs } from '../../support/tokens.ts'

const mine = ecSigner('mine')
const access = accessOf({
  billing: { keys: { algs: ['ES256'], keys: { keys: keysOf(mine, rsaSigner('rsa')) } } },
  other: { keys: { algs: ['ES256'], keys: { keys: keysOf(ecSigner('mine', 1)) } } },
  secret: { secretSha256: ['ab'] },
})

function door() {
  const clock = movedClock()
  const ports = {
    clock: clock.clock,
    keyFor: openKeySets(clock.clock, async () => null),
    useOnce: openReplays(clock.clock),
  }
  const now = clock.now() / 1000
  const good = { iss: 'billing', sub: 'billing', aud: ISSUER, jti: 'j1', iat: now, exp: now + 60 }
  const show = (text: string, service = 'billing') =>
    codeOf(() => serviceThatSigned(service, readJwt(text), ADDRESS, access, ports))
  const present = async (claims: object = {}, by: Signs = mine, header: object = {}) =>
    show(await by.sign({ ...good, ...claims }, header))
  return { clock, good, now, present, show }
}

test.each([ISSUER, `${ISSUER}/oauth2/token`])(
  'an assertion for %s is a service’s own',
  async aud => {
    expect(await door().present({ aud })).toBe('ok')
  },
)

describe('is refused', () => {
  test.each<[string, object, string]>([
    ['aud that is a list (CVE-2025-27370)', { aud: [ISSUER] }, 'assertion_audience_wrong'],
    ['aud of several', { aud: [ISSUER, 'https://evil.example'] }, 'assertion_audience_wrong'],
    ['aud of somebody else', { aud: 'https://evil.example' }, 'assertion_audience_wrong'],
    ['aud with a slash more', { aud: `${ISSUER}/` }, 'assertion_audience_wrong'],
    ['aud that begins like ours', { aud: `${ISSUER}.evil.example` }, 'assertion_audience_wrong'],
    ['no aud', { aud: undefined }, 'assertion_audience_wrong'],
    ['no jti', { jti: undefined }, 'assertion_jti_missing'],
    ['an empty jti', { jti: '' }, 'assertion_jti_missing'],
    ['a jti that is a number', { jti: 7 }, 'assertion_jti_missing'],
    ['a jti without end', { jti: 'j'.repeat(257) }, 'assertion_jti_missing'],
    ['no exp', { exp: undefined }, 'assertion_time_wrong'],
  ])('%s', async (_, claims, code) => {
    expect(await door().present(claims)).toBe(code)
  })

  test('one that is good for more than an hour', async () => {
    const { now, present } = door()
    expect(await present({ exp: now + 3631 })).toBe('assertion_time_wrong')
    expect(await present({ exp: now + 3600 })).toBe('ok')
  })

  test('the key of another service, though it has the same kid', async () => {
    expect(await door().present({}, ecSigner('mine', 1))).toBe('assertion_signature_wrong')
  })

  test('an algorithm that is not allowed here, though the key is in the set', async () => {
    expect(await door().present({}, rsaSigner('rsa'))).toBe('assertion_header_refused')
  })

  test('a kid that is not in the set', async () => {
    expect(await door().present({}, mine, { kid: '../mine' })).toBe('assertion_key_unknown')
  })

  test.each(['nobody', 'secret', '__proto__', 'constructor'])('%s, who has no keys', async id => {
    const { good, show } = door()
    expect(await show(await mine.sign({ ...good, iss: id, sub: id }), id)).toBe('client_unknown')
  })
})

describe('replay', () => {
  test('an assertion counts once, for as long as it could be believed', async () => {
    const { clock, good, show } = door()
    const text = await mine.sign(good)
    expect([await show(text), await show(text)]).toEqual(['ok', 'assertion_replayed'])
    clock.advance(89)
    expect(await show(text)).toBe('assertion_replayed')
    clock.advance(1)
    expect(await show(text)).toBe('assertion_time_wrong')
  })

  test('of many at the same moment one is believed', async () => {
    const { good, show } = door()
    const text = await mine.sign(good)
    const all = await Promise.all(Array.from({ length: 50 }, () => show(text)))
    expect(all.filter(each => each === 'ok')).toHaveLength(1)
  })

  test('a jti signed anew is a replay too', async () => {
    const { now, present } = door()
    await present()
    expect(await present({ exp: now + 61 })).toBe('assertion_replayed')
  })

  test('nobody uses up a jti without the key', async () => {
    const { present } = door()
    await present({}, ecSigner('mine', 1))
    expect(await present()).toBe('ok')
  })
})
