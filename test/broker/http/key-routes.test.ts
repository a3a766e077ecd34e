import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeyOrder } from '../../../broker/audit.ts'
import { BrokerError } from '../../../broker/errors.ts'
import { buildAdmin } from '../../../broker/http/admin.ts'
import type { Revoked } from '../../../broker/keys/orders.ts'
import { NO_KEYS, statusWith } from '../../support/status.ts'

const REVOKED: Revoked = {
  ...{ environment: 'nonprod', kid: 'known', at: 0, isSaved: true, isLive: false },
  ...{ promoted: [], begun: [], upstreams: [], replicas: [], untold: null },
}
const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null = null, { isFull = false } = {}) {
  const ordered: unknown[] = []
  const recorded: KeyOrder[] = []
  const app = buildAdmin({
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

describe('a page of another site orders nothing', () => {
  test.each<[string, Record<string, string>]>([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text, which needs no leave', { 'content-type': 'text/plain' }],
    ['what only begins like JSON', { 'content-type': 'application/json-seq' }],
    ['no type', { 'content-type': '' }],
    ['a page that the browser calls cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['a page of the same site', { 'sec-fetch-site': 'same-site' }],
    ['a page with an origin', { origin: 'https://evil.example.com' }],
    ['a page of another port', { origin: 'http://localhost:9999' }],
    ['a file', { origin: 'null' }],
    ['another name for us', { host: 'evil.example.com' }],
  ])('%s', async (_, headers) => {
    const { post, ordered } = admin()
    const reply = await post(headers)
    const isName = 'host' in headers
    expect([reply.statusCode, reply.json().code]).toEqual(
      isName ? [421, 'host_refused'] : [403, 'request_cross_site'],
    )
    expect(ordered).toEqual([])
  })

  test('one of our own does', async () => {
    const { post } = admin()
    const own = { 'sec-fetch-site': 'same-origin', origin: 'http://localhost' }
    expect((await post(own)).statusCode).toBe(200)
  })
})

describe('what is no order is refused', () => {
  test.each([
    '',
    '{',
    '[]',
    'null',
    '{}',
    '{"environment":1}',
    '{"environment":"nonprod","alg":"none"}',
    '{"environment":"nonprod","more":1}',
    `{"environment":"${'x'.repeat(300)}"}`,
  ])('%s', async payload => {
    const { post, ordered } = admin()
    const reply = await post({}, payload)
    expect([reply.statusCode, reply.json().code]).toEqual([400, 'body_unreadable'])
    expect(ordered).toEqual([])
  })

  test('and one that is too large', async () => {
    const { post } = admin()
    const reply = await post({}, `{"environment":"${'x'.repeat(20_000)}"}`)
    expect([reply.statusCode, reply.json().code]).toEqual([413, 'body_too_large'])
  })
})

test('an order shows the operator’s token, where the listener asks for one', async () => {
  const { post, ordered } = admin(TOKEN)
  expect((await post()).json().code).toBe('operator_refused')
  expect(ordered).toEqual([])
  expect((await post({ authorization: `Bearer ${TOKEN}` })).statusCode).toBe(200)
})

test('a refusal has all that is known, for the operator', async () => {
  const { app } = admin()
  const reply = await app.inject({
    ...{ method: 'POST', url: '/keys/revoke', payload: { kid: 'k', reason: 'r' } },
    headers: { host: 'localhost' },
  })
  expect(reply.statusCode).toBe(404)
  expect(reply.json()).toMatchObject({ code: 'key_unknown', facts: { kid: 'k' } })
  expect(reply.headers['cache-control']).toBe('no-store')
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
