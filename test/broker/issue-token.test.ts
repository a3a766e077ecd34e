import { describe, expect, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { BrokerError } from '../../broker/errors.ts'
import {
  basic,
  COVERAGE,
  makeWorld,
  PATIENT,
  SECRET,
  type World,
  type WorldOptions,
} from '../support/world.ts'

async function within(options: WorldOptions, work: (world: World) => Promise<void>): Promise<void> {
  const world = await makeWorld(options)
  try {
    await work(world)
  } finally {
    await world.close()
  }
}

const scheduling = (upstream: string, scopes: string[]) => ({
  scheduling: { secretSha256: [secretHash(SECRET)], grants: [{ upstream, scopes }] },
})

describe('one call to the EHR', () => {
  test('answers a thousand first requests at once', () =>
    within({ delay: 50 }, async ({ ask, epic }) => {
      const replies = await Promise.all(Array.from({ length: 1000 }, () => ask()))
      expect(new Set(replies.map(reply => reply.statusCode))).toEqual(new Set([200]))
      expect(new Set(replies.map(reply => reply.json().access_token)).size).toBe(1)
      expect(epic.tokenRequests).toBe(1)
    }))

  test('answers a thousand that ask for the same scopes in two orders', () =>
    within(
      {
        delay: 50,
        upstreams: base => ({
          both: { ...base, profile: 'smart', clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
        }),
        services: scheduling('both', [PATIENT, COVERAGE]),
      },
      async ({ ask, epic }) => {
        const orders = [`${PATIENT} ${COVERAGE}`, `${COVERAGE} ${PATIENT}`]
        const replies = await Promise.all(
          Array.from({ length: 1000 }, (_, at) => ask({ scope: orders[at % 2] ?? '' })),
        )
        expect(new Set(replies.map(reply => reply.statusCode))).toEqual(new Set([200]))
        expect(epic.tokenRequests).toBe(1)
      },
    ))
})

test('policy is decided on every request, before the cache is looked at', () =>
  within(
    {
      services: {
        ...scheduling('epic', [PATIENT]),
        billing: { secretSha256: [secretHash('billing')], grants: [] },
      },
    },
    async ({ ask }) => {
      expect((await ask()).statusCode).toBe(200)
      const refused = await ask({ audience: 'epic' }, basic('billing', 'billing'))
      expect(refused.json()).toMatchObject({ error: 'invalid_target' })
    },
  ))

test('an EHR that grants more than the service may have is refused, cached or not', () =>
  within(
    {
      upstreams: base => ({
        both: { ...base, profile: 'smart', clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
      }),
      services: scheduling('both', [PATIENT]),
    },
    async ({ ask, audit }) => {
      for (const reply of [await ask(), await ask()]) {
        expect(reply.statusCode).toBe(502)
        expect(reply.json()).toMatchObject({ error: 'server_error', code: 'scope_exceeds_grant' })
      }
      expect((await audit()).map(record => [record.code, record.granted])).toEqual([
        ['scope_exceeds_grant', null],
        ['scope_exceeds_grant', null],
      ])
    },
  ))

test('a service whose policy is only recorded gets it, and the record says what would have been', () =>
  within(
    {
      upstreams: base => ({
        both: { ...base, profile: 'smart', clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
      }),
      services: {
        scheduling: {
          secretSha256: [secretHash(SECRET)],
          mode: 'audit',
          grants: [{ upstream: 'both', scopes: [PATIENT] }],
        },
      },
    },
    async ({ ask, audit }) => {
      expect((await ask({ scope: COVERAGE })).statusCode).toBe(200)
      expect((await ask({ scope: PATIENT })).json().scope).toBe(`${PATIENT} ${COVERAGE}`)
      expect((await audit()).map(record => record.tolerated)).toEqual([
        'scope_exceeds_grant',
        'scope_exceeds_grant',
      ])
    },
  ))

describe('the record', () => {
  test('of a hand-out says who got what, and has the token only as a hash', () =>
    within({}, async ({ ask, audit, kid }) => {
      const { access_token: token } = (await ask()).json()
      const [record] = await audit()
      expect(record).toMatchObject({
        decision: 'granted',
        code: null,
        service: 'scheduling',
        method: 'client_secret_basic',
        upstream: 'epic',
        granted: {
          scope: PATIENT,
          expires_in: 3600,
          token_sha256: secretHash(token),
          kid,
          source: 'upstream',
        },
      })
      expect(JSON.stringify(record)).not.toContain(token)
    }))

  test('of a refusal says why, and whose name was claimed', () =>
    within({}, async ({ ask, audit }) => {
      await ask({}, basic('scheduling', 'wrong'))
      expect(await audit()).toMatchObject([
        {
          decision: 'refused',
          code: 'secret_wrong',
          service: null,
          claimed: 'scheduling',
          granted: null,
        },
      ])
    }))

  test('of trouble with the EHR says with which', () =>
    within({}, async ({ ask, audit, epic }) => {
      for (let times = 0; times < 3; times++)
        epic.faults.push((_, reply) => reply.code(503).send('x'))
      await ask()
      expect(await audit()).toMatchObject([
        { decision: 'refused', code: 'upstream_unavailable', upstream: 'epic' },
      ])
    }))

  test('that cannot be written means no token', () => {
    const audit = {
      record: async () => {
        throw new BrokerError('audit_failed')
      },
      close: async () => {},
    }
    return within({ audit }, async ({ ask }) => {
      const reply = await ask()
      expect(reply.statusCode).toBe(503)
      expect(reply.json()).toMatchObject({ code: 'audit_failed' })
      expect(reply.json()).not.toHaveProperty('access_token')
    })
  })
})
