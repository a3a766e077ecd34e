import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { buildAdmin } from '../../../broker/http/admin.ts'
import { NO_FHIR, NO_KEYS, statusWith } from '../../support/status.ts'

const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null) {
  const asked: unknown[] = []
  const app = buildAdmin({
    status: () => statusWith(),
    metrics: { text: async () => '', contentType: 'text/plain' },
    ...{ token, log: pino({ enabled: false }), keys: NO_KEYS },
    fhir: {
      ...NO_FHIR,
      check: async (...order) => {
        asked.push(order)
        return { status: 200 } as never
      },
    },
  })
  onTestFinished(() => app.close())
  const post = (headers: Record<string, string> = {}) =>
    app.inject({
      ...{ method: 'POST', url: '/fhir', headers: { host: 'localhost', ...headers } },
      payload: { upstream: 'epic', method: 'GET', path: 'metadata' },
    })
  return { post, asked }
}

test('an order has an id and an address for its record', async () => {
  const { post, asked } = admin(null)
  expect((await post()).statusCode).toBe(200)
  expect(asked).toEqual([
    [
      { upstream: 'epic', method: 'GET', path: 'metadata' },
      { id: 'an-id', address: '127.0.0.1' },
    ],
  ])
})

test('nobody asks without the operator’s token, and no page of another site', async () => {
  const { post, asked } = admin(TOKEN)
  const own = { authorization: `Bearer ${TOKEN}` }
  expect((await post()).json().code).toBe('operator_refused')
  expect((await post({ ...own, origin: 'https://evil.example.com' })).json().code).toBe(
    'request_cross_site',
  )
  expect(asked).toEqual([])
  expect((await post(own)).statusCode).toBe(200)
})
