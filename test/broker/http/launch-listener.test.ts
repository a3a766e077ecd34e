import { pino } from 'pino'
import { expect, test } from 'vitest'
import { buildLaunchListener } from '../../../broker/http/launch-listener.ts'
import type { Listen } from '../../../broker/listen-config.ts'
import { movedClock } from '../../support/clock.ts'
import { launchTarget } from '../../support/launch-target.ts'

const LISTEN = { socket: null, host: '127.0.0.1', port: 0, trustedProxies: [], tls: null }

function listener(finish: () => Promise<never>) {
  return buildLaunchListener(LISTEN as unknown as Listen, pino({ enabled: false }), {
    ...{ publicUrl: 'https://launch.example.com', debug: false, clock: movedClock().clock },
    front: { finish } as never,
    targets: () => new Map([['epic', launchTarget()]]),
    generation: () => 'g',
    onceEach: query => new Map(new URLSearchParams(query)),
  })
}

test('a login whose browser has gone is carried to its end before the listener closes', async () => {
  const told: string[] = []
  const login = Promise.withResolvers<void>()
  const app = listener(async () => {
    told.push('begun')
    await login.promise
    told.push('finished')
    throw new Error('nobody is there to be told')
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const gone = new AbortController()
  const asking = fetch(`${url}/oauth/epic-callback`, { signal: gone.signal }).catch(() => {})
  await expect.poll(() => told).toEqual(['begun'])
  gone.abort()
  await asking
  const closing = app.close().then(() => told.push('closed'))
  login.resolve()
  await closing
  expect(told).toEqual(['begun', 'finished', 'closed'])
})

test('it has no route of any other listener', async () => {
  const app = listener(async () => {
    throw new Error('nobody asks')
  })
  for (const url of ['/metrics', '/status', '/oauth2/token', '/openapi.json', '/docs', '/keys'])
    expect((await app.inject(url)).statusCode).toBe(404)
  await app.close()
})
