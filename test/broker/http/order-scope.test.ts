import fastify from 'fastify'
import { pino } from 'pino'
import Type from 'typebox'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { takeOrders } from '../../../broker/http/order-scope.ts'

const Greeting = Type.Object(
  { name: Type.String({ maxLength: 200 }) },
  { additionalProperties: false },
)

function orders(carryOut: (name: string) => object = name => ({ hello: name })) {
  const carried: string[] = []
  const app = fastify({ loggerInstance: pino({ enabled: false }) })
  onTestFinished(() => app.close())
  app.removeAllContentTypeParsers()
  app.register((scope, _, done) => {
    takeOrders(scope, 16 * 1024)('/greet', Greeting, ({ name }) => {
      carried.push(name)
      return carryOut(name)
    })
    done()
  })
  const post = (headers: Record<string, string> = {}, payload = '{"name":"x"}') =>
    app.inject({
      ...{ method: 'POST', url: '/greet', payload },
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
    })
  return { post, carried }
}

test('an order is carried out, and what it gives is kept by nobody', async () => {
  const { post, carried } = orders()
  const reply = await post()
  expect([reply.statusCode, reply.json(), carried]).toEqual([200, { hello: 'x' }, ['x']])
  expect(reply.headers['cache-control']).toBe('no-store')
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
  ])('%s', async (_, headers) => {
    const { post, carried } = orders()
    const reply = await post(headers)
    expect([reply.statusCode, reply.json().code]).toEqual([403, 'request_cross_site'])
    expect(carried).toEqual([])
  })

  test('one of our own does', async () => {
    const own = { 'sec-fetch-site': 'same-origin', origin: 'http://localhost' }
    expect((await orders().post(own)).statusCode).toBe(200)
  })
})

describe('what is no order is refused', () => {
  test.each([
    '',
    '{',
    '[]',
    'null',
    '{}',
    '{"name":1}',
    '{"name":"x","more":1}',
    `{"name":"${'x'.repeat(300)}"}`,
  ])('%s', async payload => {
    const { post, carried } = orders()
    const reply = await post({}, payload)
    expect([reply.statusCode, reply.json().code]).toEqual([400, 'body_unreadable'])
    expect(carried).toEqual([])
  })

  test('and one that is too large', async () => {
    const reply = await orders().post({}, `{"name":"${'x'.repeat(20_000)}"}`)
    expect([reply.statusCode, reply.json().code]).toEqual([413, 'body_too_large'])
  })
})

test('a refusal has all that is known, for the operator', async () => {
  const { post } = orders(() => {
    throw new BrokerError('key_unknown', { kid: 'k' })
  })
  const reply = await post()
  expect(reply.statusCode).toBe(404)
  expect(reply.json()).toMatchObject({ code: 'key_unknown', facts: { kid: 'k' } })
  expect(reply.headers['cache-control']).toBe('no-store')
})
