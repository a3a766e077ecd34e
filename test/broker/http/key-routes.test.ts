import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { buildAdmin } from '../../../broker/http/admin.ts'
import { NO_FHIR, NO_KEYS, statusWith } from '../../support/status.ts'

const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null = null) {
  const ordered: unknown[] = []
  const app = buildAdmin({
    fhir: NO_FHIR,
    status: () => statusWith(),
    metrics: { text: async () => '', contentType: 'text/plain' },
    token,
    log: pino({ enabled: false }),
    keys: {
      ...NO_KEYS,
      orders: {
        ...NO_KEYS.orders,
        rotate: (...order) => {
          ordered.push(order)
          return []
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
