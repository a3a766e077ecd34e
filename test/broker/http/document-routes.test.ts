import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

test.each(['/healthz', '/readyz'])('%s answers 200 while the broker is up', async url => {
  expect((await world.app.inject(url)).statusCode).toBe(200)
})

test('the metadata names the issuer exactly and what the token endpoint takes', async () => {
  const reply = await world.app.inject('/.well-known/oauth-authorization-server')
  expect(reply.json()).toEqual({
    issuer: 'http://127.0.0.1:8400',
    token_endpoint: 'http://127.0.0.1:8400/oauth2/token',
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    service_documentation: 'http://127.0.0.1:8400/docs',
  })
})

test('the issuer does not follow the Host header', async () => {
  const reply = await world.app.inject({
    url: '/.well-known/oauth-authorization-server',
    headers: { host: 'evil.example.com' },
  })
  expect(reply.json().issuer).toBe('http://127.0.0.1:8400')
})

test('an unknown address is 404 in JSON', async () => {
  const reply = await world.app.inject('/nothing/here')
  expect(reply.statusCode).toBe(404)
  expect(reply.json()).toMatchObject({ code: 'not_found' })
})
