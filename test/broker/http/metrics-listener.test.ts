import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { buildMetricsListener } from '../../../broker/http/metrics-listener.ts'
import type { MetricsAddress } from '../../../broker/metrics-config.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { statusWith } from '../../support/status.ts'

const TOKEN = 'a-token-that-only-prometheus-has-1'

function listener(address: Partial<MetricsAddress> = {}) {
  const app = buildMetricsListener(
    { token: null, tls: null, ...address },
    {
      status: () => statusWith([], { config: 'c' }),
      metrics: { text: async ({ config }) => `of ${config}`, contentType: 'text/plain' },
      log: pino({ enabled: false }),
    },
  )
  onTestFinished(() => app.close())
  return app
}

test('the metrics are given to whoever shows the token, and to nobody else', async () => {
  const app = listener({ token: TOKEN })
  const statusOf = async (headers: Record<string, string>) =>
    (await app.inject({ url: '/metrics', headers })).statusCode
  expect(await statusOf({})).toBe(401)
  expect(await statusOf({ authorization: `Bearer ${TOKEN}x` })).toBe(401)
  expect(await statusOf({ authorization: `Bearer ${TOKEN}` })).toBe(200)
})

test.each(['/', '/status', '/main.js', '/oauth2/token', '/metrics/x'])(
  '%s is not there',
  async url => {
    expect((await listener().inject(url)).statusCode).toBe(404)
  },
)

test('with a certificate it speaks TLS', async () => {
  const authority = await makeAuthority()
  const app = listener({ tls: await authority.issue() })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request({ host: 'localhost', port, path: '/metrics', ca: authority.ca }, reply => {
      reply.resume()
      resolve(reply.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(200)
})
