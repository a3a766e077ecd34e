import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { buildAdmin } from '../../../broker/http/admin.ts'
import { NO_FHIR, NO_KEYS, statusWith } from '../../support/status.ts'

const TOKEN = 'an-operator-token-of-some-length-1'

function admin(token: string | null) {
  const app = buildAdmin({
    fhir: NO_FHIR,
    status: () => statusWith([], { config: 'c' }),
    metrics: { text: async ({ config }) => `of ${config}`, contentType: 'text/plain' },
    token,
    keys: NO_KEYS,
    log: pino({ enabled: false }),
  })
  onTestFinished(() => app.close())
  return app
}

test('on a socket the status is given to whoever may open it, and kept by nobody', async () => {
  const reply = await admin(null).inject('/status')
  expect([reply.statusCode, reply.json().config]).toEqual([200, 'c'])
  expect(reply.headers['cache-control']).toBe('no-store')
})

test('the metrics are those of the status, as text', async () => {
  const reply = await admin(null).inject('/metrics')
  expect([reply.statusCode, reply.body]).toEqual([200, 'of c'])
  expect(reply.headers['content-type']).toMatch(/^text\/plain/)
})

describe('on a port the operator must show the token', () => {
  test.each([
    [undefined, 401],
    ['', 401],
    ['Bearer', 401],
    [`Bearer ${TOKEN.slice(1)}`, 401],
    [`Basic ${TOKEN}`, 401],
    [`Bearer ${TOKEN} ${TOKEN}`, 401],
    [`Bearer ${TOKEN}`, 200],
    [`bearer ${TOKEN}`, 200],
  ])('%s: %d', async (authorization, status) => {
    const headers = authorization === undefined ? {} : { authorization }
    expect((await admin(TOKEN).inject({ url: '/status', headers })).statusCode).toBe(status)
  })

  test('for the metrics too, and for the page itself not, which has nothing in it', async () => {
    expect((await admin(TOKEN).inject('/metrics')).statusCode).toBe(401)
    expect((await admin(TOKEN).inject('/')).statusCode).toBe(200)
  })

  test('and is asked in a way for which no browser opens a window of its own', async () => {
    const { headers } = await admin(TOKEN).inject('/status')
    expect(headers['www-authenticate']).toMatch(/^Bearer /)
  })

  test('for what is not there too', async () => {
    expect((await admin(TOKEN).inject('/nothing')).statusCode).toBe(401)
    expect((await admin(null).inject('/nothing')).statusCode).toBe(404)
  })
})

test.each([
  ['localhost', 200],
  ['localhost:8402', 200],
  ['127.0.0.1:8402', 200],
  ['[::1]:8402', 200],
  ['elsewhere.example', 421],
  ['elsewhere.example:8402', 421],
  ['localhost.elsewhere.example', 421],
  ['127.0.0.1.elsewhere.example', 421],
])(
  'asked as %s it answers %d: a stranger’s page may point a name at this machine',
  async (host, status) => {
    for (const url of ['/status', '/metrics', '/'])
      expect((await admin(null).inject({ url, headers: { host } })).statusCode).toBe(status)
  },
)

test('no other page may take the status in, as a script or whatever', async () => {
  const { headers } = await admin(null).inject('/status')
  expect(headers['access-control-allow-origin']).toBeUndefined()
  expect(headers['cross-origin-resource-policy']).toBe('same-origin')
  expect(headers['x-content-type-options']).toBe('nosniff')
})
