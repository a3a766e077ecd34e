import { describe, expect, test } from 'vitest'
import type { WorkloadRule } from '../../broker/access/access.ts'
import { readJwt } from '../../broker/access/jwt.ts'
import { serviceOfWorkload } from '../../broker/access/workload-jwt.ts'
import { accessOf, codeOf, ISSUER } from '../support/callers.ts'
import { KEY_URL, keySite } from '../support/key-site.ts'
import { keysOf, rsaSigner, type Signs, unsigned } from '../support/tokens.ts'

/** What users of other brokers met where callers show tokens of their platform. @see broker-peers.md §4.5 */

const CLUSTER = 'https://kubernetes.default.svc'
const POD = 'system:serviceaccount:prod:pod'
const RULE: WorkloadRule = {
  ...{ algs: ['RS256'], keys: KEY_URL, issuer: CLUSTER, audience: ISSUER, subject: POD },
  claims: new Map(),
}
const access = accessOf({ pod: { workloads: [RULE] } })
const old = rsaSigner('old', 0)
const next = rsaSigner('next', 1)
const FLOODER = '203.0.113.66'

function cluster() {
  const { site, clock, keyFor } = keySite(old)
  const claims = () => {
    const now = clock.now() / 1000
    return { iss: CLUSTER, sub: POD, aud: [ISSUER], iat: now, exp: now + 3600 }
  }
  const show = (text: string, address: string) =>
    codeOf(() => serviceOfWorkload(readJwt(text), address, access, { clock: clock.clock, keyFor }))
  const pod = async (by: Signs, address = '10.0.0.1') => show(await by.sign(claims()), address)
  let flooded = 0
  /** Tokens that fit the rule in all but their signature, each with a kid of its own. */
  const flood = async (times: number, address: (at: number) => string = () => FLOODER) => {
    for (let at = 0; at < times; at++)
      await show(unsigned({ alg: 'RS256', kid: `strange-${flooded++}` }, claims()), address(at))
  }
  return { site, clock, claims, show, pod, flood }
}

describe('a platform that changes its key', () => {
  test('giantswarm/mcp-oauth#452, ark#2568: is understood at once, with one fetch, and no restart', async () => {
    const { site, pod } = cluster()
    await pod(old)
    site.keys = keysOf(next)
    const all = await Promise.all(Array.from({ length: 50 }, (_, at) => pod(next, `10.0.0.${at}`)))
    expect([new Set(all), site.fetches]).toEqual([new Set(['ok']), 2])
  })

  test('engram#1641: unsigned tokens that fit no rule cost no fetch, and cannot starve it', async () => {
    const { site, claims, show, pod } = cluster()
    await pod(old)
    const wrong = [{ iss: 'https://x' }, { sub: 'x' }, { aud: 'x' }, { exp: 1 }]
    for (let at = 0; at < 1000; at++)
      await show(
        unsigned({ alg: 'RS256', kid: `k${at}` }, { ...claims(), ...wrong[at % 4] }),
        FLOODER,
      )
    expect(site.fetches).toBe(1)
    site.keys = keysOf(next)
    expect(await pod(next)).toBe('ok')
  })

  test('engram#1641: nor can those that fit one, from one address', async () => {
    const { site, clock, pod, flood } = cluster()
    await pod(old)
    for (let second = 0; second < 60; second++) {
      await flood(50)
      clock.advance(1)
    }
    expect(site.fetches).toBeLessThanOrEqual(1 + 2 + 6)
    site.keys = keysOf(next)
    await flood(50)
    expect(await pod(next)).toBe('ok')
  })

  test('Backstage#35233: nor from a thousand, since what they have fetched is the new set', async () => {
    const { site, clock, pod, flood } = cluster()
    await pod(old)
    const anyAddress = (at: number) => `203.0.${at % 250}.${Math.floor(at / 250)}`
    for (let second = 0; second < 60; second++) {
      await flood(50, anyAddress)
      clock.advance(1)
    }
    site.keys = keysOf(next)
    const codes = []
    for (let second = 0; second <= 5; second++) {
      await flood(50, anyAddress)
      codes.push(await pod(next))
      clock.advance(1)
    }
    expect(codes.at(-1)).toBe('ok')
    expect(site.fetches).toBeLessThanOrEqual(1 + 6 + 14)
  })

  test('and what it took back is not believed, however many strange kids came meanwhile', async () => {
    const { site, clock, pod, flood } = cluster()
    await pod(old)
    site.keys = keysOf(next)
    await flood(1)
    expect(await pod(old)).toBe('assertion_key_unknown')
    clock.advance(3601)
    expect(await pod(old)).toBe('assertion_key_unknown')
  })
})

test('spire-identity-exchange#5: a control plane that is down keeps no pod out', async () => {
  const { site, clock, pod, flood } = cluster()
  await pod(old)
  site.isDown = true
  for (let hour = 0; hour < 12; hour++) {
    clock.advance(3600)
    await flood(10)
    expect(await pod(old)).toBe('ok')
  }
})

test('kubernetes/website#43764: the token of a pod that is gone is good until it ends, a day at the most', async () => {
  const { clock, claims, show } = cluster()
  const day = await old.sign({ ...claims(), exp: clock.now() / 1000 + 86_400 })
  expect(await show(day, '10.0.0.1')).toBe('ok')
  clock.advance(86_431)
  expect(await show(day, '10.0.0.1')).toBe('assertion_time_wrong')
  expect(await show(await old.sign({ ...claims(), exp: undefined }), '10.0.0.1')).toBe(
    'assertion_time_wrong',
  )
})
