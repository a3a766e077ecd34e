import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeyOrder } from '../../../broker/audit.ts'
import { BrokerError } from '../../../broker/errors.ts'
import { buildAdmin } from '../../../broker/http/admin.ts'
import type { Revoked } from '../../../broker/keys/orders.ts'
import { NO_FHIR, NO_KEYS, statusWith } from '../../support/status.ts'

const REVOKED: Revoked = {
  ...{ environment: 'nonprod', kid: 'known', at: 0, isSaved: true, isLive: false },
  ...{ promoted: [], begun: [], upstreams: [], replicas: [], untold: null },
}
const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null = null, { isFull = false } = {}) {
  const ordered: unknown[] = []
  const recorded: KeyOrder[] = []
  const app = buildAdmin({
    fhir: NO_FHIR,
    status: () => statusWith(),
    metrics: { text: async () => '', contentType: 'text/plain' },
    token,
    log: pino({ enabled: false }),
    keys: {
      ...NO_KEYS,
      record: async order => {
        if (isFull) throw new BrokerError('audit_failed')
        recorded.push(order)
      },
      orders: {
        ...NO_KEYS.orders,
        rotate: async (...order) => {
          ordered.push(order)
          return []
        },
        revoke: async (kid, reason) => {
          if (reason === 'unusable') throw new BrokerError('reason_unusable')
          if (kid === 'k') throw new BrokerError('key_unknown', { kid })
          return REVOKED
        },
        release: async kid => ({ environment: 'nonprod', kid, release: 'a.b.c' }),
      },
    },
  })
  onTestFinished(() => app.close())
  const post = (headers: Record<string, string> = {}, payload = '{"environment":"nonprod"}') =>
    app.inject({
      ...{ method: 'POST', url: '/keys/rotate', payload },
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
    })
  const order = (what: string, payload: object) =>
    app.inject({ method: 'POST', url: `/keys/${what}`, payload, headers: { host: 'localhost' } })
  return { app, post, order, ordered, recorded }
}

test('an order of an operator is carried out', async () => {
  const { post, ordered } = admin()
  expect((await post()).statusCode).toBe(200)
  expect(ordered).toEqual([['nonprod', null]])
})

test.each([
  '{"environment":1}',
  '{"environment":"nonprod","alg":"none"}',
  '{"environment":"nonprod","more":1}',
])('what is no order is refused: %s', async payload => {
  const { post, ordered } = admin()
  const reply = await post({}, payload)
  expect([reply.statusCode, reply.json().code, ordered]).toEqual([400, 'body_unreadable', []])
})

test('a page of another site orders nothing, nor does one that has another name for us', async () => {
  const { post, ordered } = admin()
  const from = async (headers: Record<string, string>) => (await post(headers)).json().code
  expect(await from({ origin: 'https://evil.example.com' })).toBe('request_cross_site')
  expect(await from({ host: 'evil.example.com' })).toBe('host_refused')
  expect(ordered).toEqual([])
})

test('an order shows the operator’s token, where the listener asks for one', async () => {
  const { post, ordered } = admin(TOKEN)
  expect((await post()).json().code).toBe('operator_refused')
  expect(ordered).toEqual([])
  expect((await post({ authorization: `Bearer ${TOKEN}` })).statusCode).toBe(200)
})

test('what there is to see of keys is kept by nobody', async () => {
  const { app } = admin()
  const reply = await app.inject({ url: '/keys', headers: { host: 'localhost' } })
  expect([reply.statusCode, reply.json()]).toEqual([200, { environments: [] }])
  expect(reply.headers['cache-control']).toBe('no-store')
})

describe('each order leaves a record', () => {
  const NONE = { environment: null, kid: null, alg: null, reason: null }
  const by = { action: 'revoke', address: '127.0.0.1' }
  test.each<[string, string, object, object]>([
    [
      'of what was carried out',
      'revoke',
      { kid: 'known', reason: 'leaked' },
      {
        ...by,
        code: null,
        order: { ...NONE, environment: 'nonprod', kid: 'known', reason: 'leaked' },
      },
    ],
    [
      'with its environment and algorithm',
      'rotate',
      { environment: 'nonprod', alg: 'ES256' },
      {
        ...by,
        action: 'rotate',
        code: null,
        order: { ...NONE, environment: 'nonprod', alg: 'ES256' },
      },
    ],
    [
      'of a release, and not the release itself',
      'release',
      { kid: 'known' },
      {
        ...by,
        action: 'release',
        code: null,
        order: { ...NONE, environment: 'nonprod', kid: 'known' },
      },
    ],
    [
      'of a key that nobody knows, without what was sent in its place',
      'revoke',
      { kid: 'k', reason: 'leaked' },
      { ...by, code: 'key_unknown', order: NONE },
    ],
    [
      'of a reason that was refused, without it',
      'revoke',
      { kid: 'known', reason: 'unusable' },
      { ...by, code: 'reason_unusable', order: { ...NONE, kid: 'known' } },
    ],
  ])('%s', async (_, what, payload, record) => {
    const { order, recorded } = admin()
    await order(what, payload)
    expect(recorded).toEqual([record])
  })

  test.each([
    ['revoke', { kid: 'known', reason: 'leaked' }, 200],
    ['release', { kid: 'known' }, 503],
    ['rotate', { environment: 'nonprod' }, 503],
  ])('where the disk is full, %s is answered with %j %i', async (what, payload, status) => {
    const { order } = admin(null, { isFull: true })
    const reply = await order(what, payload)
    expect(reply.statusCode).toBe(status)
    expect(reply.body).not.toContain('a.b.c')
  })
})
