import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WorkloadRule } from '../../../broker/access/access.ts'
import { openDoor } from '../../../broker/access/door.ts'
import { compilePolicy } from '../../../broker/access/policy.ts'
import { secretHash } from '../../../broker/access/secrets.ts'
import { asBrokerError } from '../../../broker/errors.ts'
import { accessOf, codeOf, ISSUER, presented } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'
import { ecSigner, keysOf, rsaSigner, type Signs, unsigned } from '../../support/tokens.ts'
import { basic } from '../../support/world.ts'

const mine = ecSigner('mine')
const platform = rsaSigner('platform')
const POD: WorkloadRule = {
  ...{ algs: ['RS256'], keys: { keys: keysOf(platform) }, issuer: 'https://cluster' },
  ...{ audience: ISSUER, subject: 'pod', claims: new Map() },
}

function door() {
  const clock = movedClock()
  const waits: number[] = []
  const { authenticate, admit } = openDoor({
    clock: clock.clock,
    wait: async milliseconds => void waits.push(milliseconds),
    dispatcherTo: () => {
      throw new Error('no key set is fetched here')
    },
  })
  const generation = () =>
    compilePolicy(
      'generation',
      new Map(),
      new Map(),
      accessOf({
        secret: { secretSha256: [secretHash('s')], rateLimit: { perMinute: 1, burst: 1 } },
        signer: { keys: { algs: ['ES256'], keys: { keys: keysOf(mine) } } },
        pod: { workloads: [POD] },
        meshed: { certificates: ['DNS:meshed'] },
      }),
    )
  const now = clock.now() / 1000
  const own = { iss: 'signer', sub: 'signer', aud: ISSUER, jti: 'j', exp: now + 60 }
  const pod = { iss: 'https://cluster', sub: 'pod', aud: [ISSUER], exp: now + 60 }
  const asserted = (text: string, more: object = {}) =>
    presented({
      form: {
        client_assertion: text,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        ...more,
      },
    })
  const signed = async (claims: object, by: Signs, more: object = {}) =>
    asserted(await by.sign(claims), more)
  const certificate = () => ({ names: ['DNS:meshed'], notBefore: 0, notAfter: clock.now() + 1 })
  return { clock, waits, authenticate, admit, generation, own, pod, asserted, signed, certificate }
}

test('each method lets its service in, and says which it was', async () => {
  const { authenticate, generation, own, pod, signed, certificate } = door()
  const requests = [
    presented({ authorization: basic('secret', 's') }),
    presented({ form: { client_id: 'secret', client_secret: 's' } }),
    await signed(own, mine),
    await signed(pod, platform),
    presented({ certificate }),
    await signed({ ...own, jti: 'k' }, mine, { client_id: 'signer' }),
    await signed(pod, platform, { client_id: 'pod' }),
    presented({ certificate, form: { client_id: 'meshed' } }),
  ]
  const callers = await Promise.all(requests.map(each => authenticate(each, generation())))
  expect(callers.map(each => [each.service, each.method])).toEqual([
    ['secret', 'client_secret_basic'],
    ['secret', 'client_secret_post'],
    ['signer', 'private_key_jwt'],
    ['pod', 'workload_jwt'],
    ['meshed', 'tls_client_auth'],
    ['signer', 'private_key_jwt'],
    ['pod', 'workload_jwt'],
    ['meshed', 'tls_client_auth'],
  ])
})

describe('a client_id that differs', () => {
  const OTHER = { client_id: 'secret' }
  test('from the signer, the workload or the certificate is refused', async () => {
    const { authenticate, generation, own, pod, signed, certificate } = door()
    for (const request of [
      await signed(own, mine, OTHER),
      await signed(pod, platform, OTHER),
      presented({ certificate, form: OTHER }),
    ])
      expect(await codeOf(() => authenticate(request, generation()))).toBe('client_id_differs')
  })

  test('does not tell whom an unsigned token would be', async () => {
    const { authenticate, generation, pod, asserted } = door()
    const request = asserted(unsigned({ alg: 'RS256', kid: 'platform' }, pod), OTHER)
    expect(await codeOf(() => authenticate(request, generation()))).toBe(
      'assertion_signature_wrong',
    )
  })

  test('does not use up the assertion', async () => {
    const { authenticate, generation, own, asserted } = door()
    const text = await mine.sign(own)
    await codeOf(() => authenticate(asserted(text, OTHER), generation()))
    expect(await codeOf(() => authenticate(asserted(text), generation()))).toBe('ok')
  })
})

test('whatever is wrong with an assertion or a certificate, it looks the same from outside', async () => {
  const { authenticate, generation, own, pod, signed, asserted, certificate } = door()
  await authenticate(await signed(own, mine), generation())
  const requests = [
    presented({ authorization: basic('nobody', 's') }),
    presented({ authorization: basic('secret', 'wrong') }),
    await signed(own, mine),
    await signed({ ...own, iss: 'nobody', sub: 'nobody' }, mine),
    await signed({ ...own, jti: '' }, mine),
    await signed({ ...own, exp: 1 }, mine),
    await signed({ ...own, aud: 'x' }, mine),
    await signed(own, ecSigner('mine', 1)),
    await signed(own, ecSigner('strange')),
    await signed({ ...pod, sub: 'x' }, platform),
    await signed(pod, rsaSigner('platform', 1)),
    asserted(unsigned({ alg: 'none' }, pod)),
    presented({ certificate: () => ({ ...certificate(), names: [] }) }),
    presented({ certificate: () => ({ ...certificate(), notAfter: 0 }) }),
  ]
  const errors = await Promise.all(
    requests.map(each => authenticate(each, generation()).then(() => null, asBrokerError)),
  )
  expect(new Set(errors.map(error => error?.code)).size).toBe(12)
  const shown = errors.map(error => JSON.stringify([error?.shownCode, error?.row, error?.message]))
  expect(new Set(shown).size).toBe(1)
})

test('what was used under one generation is used under the next', async () => {
  const { authenticate, generation, own, asserted } = door()
  const text = await mine.sign(own)
  await authenticate(asserted(text), generation())
  expect(await codeOf(() => authenticate(asserted(text), generation()))).toBe('assertion_replayed')
})

test('failures of one address and id are slowed down, and its right credential is not', async () => {
  const { waits, authenticate, generation } = door()
  const attempt = (secret: string) =>
    codeOf(() => authenticate(presented({ authorization: basic('secret', secret) }), generation()))
  for (let times = 0; times < 5; times++) await attempt('wrong')
  expect(waits).toEqual([250, 500])
  expect([await attempt('s'), waits.length]).toEqual(['ok', 2])
})

test('a service is held to its own rate, a service that went away meanwhile to none', async () => {
  const { admit, generation } = door()
  admit('secret', generation())()
  expect(await codeOf(() => admit('secret', generation()))).toBe('rate_limited')
  expect(await codeOf(() => admit('nobody', generation())())).toBe('ok')
})

describe('whatever is sent in place of a token, nobody comes in and nothing breaks', () => {
  const refuses = async (text: string): Promise<void> => {
    const { authenticate, generation, asserted } = door()
    const code = await codeOf(() => authenticate(asserted(text), generation()))
    expect(['ok', 'internal']).not.toContain(code)
  }
  const json = fc.jsonValue()

  test('any text, any header, any claims', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.tuple(json, json).map(([header, claims]) => unsigned(Object(header), claims)),
          fc
            .tuple(
              fc.dictionary(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'jwk'), json),
              fc.dictionary(fc.constantFrom('aud', 'exp', 'nbf', 'iat', 'jti'), json),
              fc.constantFrom('own' as const, 'pod' as const),
            )
            .map(([header, claims, whose]) =>
              unsigned(
                { alg: 'RS256', kid: 'platform', ...header },
                { ...door()[whose], ...claims },
              ),
            ),
        ),
        refuses,
      ),
    ))

  test('a good one in which one letter is another', async () => {
    const { own } = door()
    const good = await mine.sign(own)
    // The last letter of a signature has bits that count for nothing.
    const place = fc.integer({ min: 0, max: good.length - 2 })
    await fc.assert(
      fc.asyncProperty(place, fc.constantFrom(...'abcXYZ019-_.'), async (at, letter) => {
        fc.pre(good[at] !== letter)
        await refuses(`${good.slice(0, at)}${letter}${good.slice(at + 1)}`)
      }),
    )
  })
})
