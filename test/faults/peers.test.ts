import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { memoryCache } from '../../broker/tokens/cache.ts'
import { cacheKey } from '../../broker/tokens/cache-key.ts'
import { obtainWith } from '../../broker/tokens/obtain.ts'
import { direct } from '../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../broker/tokens/single-flight.ts'
import type { Fault } from '../sandbox/faults.ts'
import { movedClock } from '../support/clock.ts'
import { PROJECT } from '../support/processes.ts'
import { upstream } from '../support/upstream.ts'
import {
  basic,
  COVERAGE,
  makeWorld,
  PATIENT,
  SECRET,
  type World,
  type WorldOptions,
} from '../support/world.ts'

/** What users of other brokers and token caches met, each by the number of their issue. @see broker-peers.md §4 */

async function world(options: WorldOptions = {}): Promise<World> {
  const made = await makeWorld({ tokenLife: 300, ...options })
  onTestFinished(() => made.close())
  return made
}

/** Lets a refresh behind come to its end. */
const settled = async (made: World, calls: number): Promise<void> =>
  void (await expect.poll(() => made.epic.tokenRequests).toBe(calls))

/** The second of its life at which a token that is asked for all the time is fetched anew. */
async function refreshedAt(life: number, chance: number): Promise<number> {
  const clock = movedClock()
  const began = clock.now()
  const fetched: number[] = []
  const obtain = obtainWith({
    ...{ clock: clock.clock, chance: () => chance, hasWorked: () => true },
    ...{ cache: memoryCache(clock.clock), flights: singleFlight(), onRefreshFailed: () => {} },
    share: direct,
    exchange: async () => {
      fetched.push((clock.now() - began) / 1000)
      return { accessToken: 't', life, scope: PATIENT, kid: 'k', sentAt: clock.clock() }
    },
  })
  while (fetched.length < 2) {
    await obtain({ upstream: upstream(), scopes: [PATIENT], minimumTtl: 0 })
    clock.advance(1)
  }
  return fetched[1] ?? 0
}

describe('§4.1 when a token is fetched anew', () => {
  test('the row in the manual is what is measured, with a token of 300 s and one of 3600 s', async () => {
    const manual = readFileSync(join(PROJECT, 'broker', 'README.md'), 'utf8')
    const rows = [...manual.matchAll(/^\| (\d+) s \| (\d+) to (\d+) s \|/gm)].map(row =>
      row.slice(1).map(Number),
    )
    const measured = await Promise.all(
      [300, 3600].map(async life => [
        life,
        await refreshedAt(life, 0),
        await refreshedAt(life, 0.999),
      ]),
    )
    expect(rows.filter(([life]) => life === 300 || life === 3600)).toEqual(measured)
  })

  test('chinmina, fixed 45 min: a token of 300 s is never handed out once it has run out', async () => {
    const { clock, ask, epic } = await world()
    await ask()
    epic.faults.push(...Array.from({ length: 20 }, () => () => ({ error: 'x' })))
    clock.advance(271)
    expect((await ask()).statusCode).toBeGreaterThan(500)
  })

  test('MSAL, 300 s: a token that lives no longer than the margin is cached all the same', async () => {
    const { ask, epic } = await world({ tokenLife: 300 })
    await ask()
    await ask()
    expect(epic.tokenRequests).toBe(1)
  })
})

describe('§4.2 margins of consumers', () => {
  test('WSO2 api-manager#773, camunda-8-js-sdk#125: nobody gets a token with 0 s left', async () => {
    const { clock, ask } = await world()
    for (let second = 0; second < 700; second += 7) {
      const { expires_in: left } = (await ask()).json()
      expect(left).toBeGreaterThanOrEqual(30)
      clock.advance(7)
    }
  })

  test('google-auth-library-java#1352: who refreshes below a margin does not get the same token again and again', async () => {
    const { clock, ask } = await world()
    await ask()
    clock.advance(100)
    const { expires_in: left } = (await ask({ minimum_ttl: '240' })).json()
    expect(left).toBeGreaterThanOrEqual(240)
  })
})

describe('§4.3 locks', () => {
  test('oauth2-proxy#1580, Nango: a call that is slow is not made twice', async () => {
    const { ask, epic } = await world({ delay: 400 })
    const replies = await Promise.all(Array.from({ length: 30 }, () => ask()))
    expect(replies.every(each => each.statusCode === 200)).toBe(true)
    expect(epic.tokenRequests).toBe(1)
  })

  test('eks-pod-identity-agent#34, Spring#11461: a burst at expiry is one call', async () => {
    const made = await world()
    await made.ask()
    made.clock.advance(280)
    await Promise.all(Array.from({ length: 50 }, () => made.ask()))
    await settled(made, 2)
  })
})

describe('§4.4 keys of the cache, and policy before it', () => {
  const OTHER = 'another-secret-of-another-service'
  const two = (grants: string[]): WorldOptions => ({
    upstreams: base => ({
      epic: { ...base, clientId: 'app-both', scopes: [PATIENT, COVERAGE], profile: 'smart' },
    }),
    services: {
      scheduling: {
        secretSha256: [secretHash(SECRET)],
        grants: [{ upstream: 'epic', scopes: [PATIENT, COVERAGE] }],
      },
      billing: {
        secretSha256: [secretHash(OTHER)],
        grants: [{ upstream: 'epic', scopes: grants }],
      },
    },
  })

  test('chinmina#358, heimdall#3450: what one service may have is decided anew for another', async () => {
    const made = await world(two([COVERAGE]))
    expect((await made.ask({ scope: PATIENT })).statusCode).toBe(200)
    const refused = await made.ask({ scope: PATIENT }, basic('billing', OTHER))
    expect(refused.json().code).toBe('scope_not_granted')
  })

  test.each([
    ['Duende Support#1396: scopes', {}, ['a'], ['a', 'b']],
    ['Altinn#19603: client ID', { clientId: 'other' }, ['a'], ['a']],
    [
      'Altinn#19603: token endpoint',
      { tokenEndpoint: 'https://other.example/token' },
      ['a'],
      ['a'],
    ],
    ['environment', { environment: 'production' as const }, ['a'], ['a']],
    ['kid and alg of another line', { alg: 'ES384' as const }, ['a'], ['a']],
  ])('%s tell two entries apart', (_, parts, one, other) => {
    expect(cacheKey(upstream(), one)).not.toBe(cacheKey(upstream(parts), other))
  })

  test('Pelican#3696: reading a token does not lengthen its life', async () => {
    const { clock, ask } = await world()
    await ask()
    for (let second = 0; second < 190; second += 10) {
      clock.advance(10)
      expect((await ask()).json().expires_in).toBe(290 - second)
    }
  })

  test('IdentityModel.AspNetCore#151: an EHR that issues the same token until it runs out is not asked each time', async () => {
    const made = await world()
    const began = made.clock.now()
    const same = () => ({
      ...{ access_token: 'the-same', token_type: 'bearer', scope: PATIENT },
      expires_in: 300 - (made.clock.now() - began) / 1000,
    })
    made.epic.faults.push(...Array.from({ length: 100 }, () => same))
    for (let second = 0; second < 260; second += 2) {
      expect((await made.ask()).statusCode).toBe(200)
      await new Promise(setImmediate)
      made.clock.advance(2)
    }
    expect(made.epic.tokenRequests).toBeLessThan(6)
  })

  test('Duende foss#298: what is learnt of an upstream outlives the request', async () => {
    const { ask, clock, epic } = await world()
    epic.faults.push(...Array.from({ length: 10 }, () => refuse))
    await ask()
    clock.advance(1)
    await ask()
    expect(epic.tokenRequests).toBe(1)
  })
})

const refuse: Fault = (_, reply) => reply.code(400).send({ error: 'invalid_client' })
