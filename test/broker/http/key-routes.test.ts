import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { buildAdmin } from '../../../broker/http/admin.ts'
import { NO_KEYS, statusWith } from '../../support/status.ts'

const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null = null) {
  const ordered: unknown[] = []
  const app = buildAdmin({
    status: () => statusWith(),
    metrics: { text: async () => '', contentType: 'text/plain' },
    token,
    log: pino({ enabled: false }),
    keys: {
      ...NO_KEYS,
      orders: {
        ...NO_KEYS.orders,
        rotate: async (...order) => {
          ordered.push(order)
          return []
        },
        revoke: async kid => {
          throw new BrokerError('key_unknown', { kid })
        },
      },
    },
  })
  onTestFinished(() => app.close())
  const post = (headers: Record<string, string> = {}, payload = '{"environment":"nonprod"}') =>
    app.inject({
      ...{ method: 'POST', url: '/keys/rotate', payload },
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
    })
  return { app, post, ordered }
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
