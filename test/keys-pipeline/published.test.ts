import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  fetchThrough,
  type Look,
  type PublishedFault,
  readPublished,
} from '../../keys-pipeline/published.ts'
import { ecJwk, privateJwk, rsaJwk } from '../support/keys.ts'

const dispatcher = new Agent()
afterAll(() => dispatcher.close())

const json = { 'content-type': 'application/json; charset=utf-8' }
const look = (parts: Partial<Look> & { text?: string } = {}): Look => ({
  ...{
    url: 'https://keys.example.com/jwks.json',
    failure: null,
    status: 200,
    headers: json,
    took: 1,
  },
  body: Buffer.from(parts.text ?? JSON.stringify({ keys: [ecJwk()] })),
  ...parts,
})

/** A look for everything that may stand in a key set's place; the type has them all. */
const FAULTS: Record<PublishedFault, Look> = {
  name_not_found: look({ failure: 'name_not_found' }),
  unreachable: look({ failure: 'unreachable' }),
  timeout: look({ failure: 'timeout' }),
  tls: look({ failure: 'tls' }),
  too_large: look({ failure: 'too_large' }),
  redirect: look({ status: 308, headers: { location: 'https://x' } }),
  sign_in: look({ status: 403 }),
  not_found: look({ status: 404, text: '<!doctype html>' }),
  rate_limited: look({ status: 429 }),
  server_error: look({ status: 502, text: '<html>' }),
  status: look({ status: 204, text: '' }),
  html: look({ text: '\n<HTML>' }),
  type: look({ headers: { 'content-type': 'application/octet-stream' } }),
  not_json: look({ text: '{"keys":[' }),
  not_key_set: look({ text: JSON.stringify(ecJwk()) }),
}

test.each(Object.entries(FAULTS))('%s is told from a key set', (state, seen) => {
  expect(readPublished(seen).state).toBe(state)
})

describe('a key set', () => {
  test('is read with its keys, under either type', () => {
    for (const type of [
      'application/json',
      'application/jwk-set+json',
      'APPLICATION/JSON;charset=x',
    ]) {
      const seen = readPublished(look({ headers: { 'content-type': type } }))
      expect(seen).toMatchObject({ state: 'key_set', keys: [{ jwk: { kty: 'EC' } }] })
    }
  })

  test('has only the keys that are good, whatever else was published', () => {
    const seen = readPublished(
      look({ text: JSON.stringify({ keys: [rsaJwk(), { ...ecJwk(), alg: 'none' }] }) }),
    )
    expect(seen).toMatchObject({ state: 'key_set', keys: [{ jwk: { kty: 'RSA' } }] })
    expect(readPublished(look({ text: JSON.stringify({ keys: [privateJwk()] }) }))).toMatchObject({
      state: 'key_set',
      keys: [],
    })
  })
})

describe('a look', () => {
  const lookAt = async (listener: RequestListener, path = '/'): Promise<Look> => {
    const server = createServer(listener)
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    let ticks = 0
    return fetchThrough(
      dispatcher,
      () => 5 * ticks++,
    )(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
  }

  test('has the status, the headers, the body and the time it took', async () => {
    const seen = await lookAt((_, reply) => reply.writeHead(201, { 'X-Y': 'z' }).end('hello'))
    expect(seen).toMatchObject({ failure: null, status: 201, headers: { 'x-y': 'z' }, took: 5 })
    expect(seen.body.toString()).toBe('hello')
  })

  test('asks for JSON and sends no credentials', async () => {
    let headers = {}
    await lookAt((request, reply) => {
      headers = request.headers
      reply.end()
    })
    expect(headers).toMatchObject({ accept: 'application/json' })
    expect(headers).not.toHaveProperty('authorization')
  })

  test('follows no redirect', async () => {
    let visits = 0
    const seen = await lookAt((_, reply) => {
      visits++
      reply.writeHead(302, { location: '/elsewhere' }).end()
    })
    expect([seen.status, visits]).toEqual([302, 1])
  })

  test('of more than a megabyte is given up', async () => {
    expect(await lookAt((_, reply) => reply.end(Buffer.alloc(1024 * 1024 + 1)))).toMatchObject({
      failure: 'too_large',
    })
  })

  test('at a name that does not exist says so', async () => {
    const seen = await fetchThrough(dispatcher, () => 0)('https://does-not-exist.invalid/jwks.json')
    expect(seen.failure).toBe('name_not_found')
  })
})
