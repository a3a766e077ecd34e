import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { basic, makeWorld, SECRET, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

let address: URL | null = null
const listening = async (): Promise<URL> => {
  address ??= new URL(await world.app.listen({ host: '127.0.0.1', port: 0 }))
  return address
}

const FORM = 'application/x-www-form-urlencoded'
const GRANT = 'grant_type=client_credentials'

interface Raw {
  method?: string
  url?: string
  type?: string | undefined
  authorization?: string | undefined
  body?: string
}

const send = (raw: Raw) => {
  const { method = 'POST', url = '/oauth2/token', body = GRANT } = raw
  const type = 'type' in raw ? raw.type : FORM
  const authorization = 'authorization' in raw ? raw.authorization : basic('scheduling', SECRET)
  return world.app.inject({
    method: method as 'POST',
    url,
    headers: {
      ...(type !== undefined && { 'content-type': type }),
      ...(authorization !== undefined && { authorization }),
    },
    ...(method !== 'GET' && method !== 'HEAD' && { payload: body }),
  })
}

test('a good request gets the four members of RFC 6749 §5.1, and nothing keeps it', async () => {
  const reply = await send({})
  expect(reply.statusCode).toBe(200)
  expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
  expect(Object.keys(reply.json()).sort()).toEqual([
    'access_token',
    'expires_in',
    'scope',
    'token_type',
  ])
  expect(reply.json()).toMatchObject({
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'system/Patient.read',
  })
})

describe('is refused in the form of RFC 6749 §5.2', () => {
  test.each<[string, Raw, number, string, string]>([
    ['GET', { method: 'GET' }, 405, 'invalid_request', 'method_not_allowed'],
    ['PUT', { method: 'PUT' }, 405, 'invalid_request', 'method_not_allowed'],
    ['DELETE', { method: 'DELETE' }, 405, 'invalid_request', 'method_not_allowed'],
    ['OPTIONS', { method: 'OPTIONS' }, 405, 'invalid_request', 'method_not_allowed'],
    [
      'JSON',
      { type: 'application/json', body: '{"grant_type":"client_credentials"}' },
      400,
      'invalid_request',
      'content_type_wrong',
    ],
    ['no content type', { type: undefined }, 400, 'invalid_request', 'content_type_wrong'],
    ['a content type that is none', { type: '///' }, 400, 'invalid_request', 'content_type_wrong'],
    [
      'another charset',
      { type: `${FORM}; charset=utf-16` },
      400,
      'invalid_request',
      'content_type_wrong',
    ],
    [
      'multipart',
      { type: 'multipart/form-data; boundary=x' },
      400,
      'invalid_request',
      'content_type_wrong',
    ],
    [
      'parameters in the URL',
      { url: '/oauth2/token?scope=x' },
      400,
      'invalid_request',
      'query_not_allowed',
    ],
    [
      'a body of 33 KB',
      { body: `${GRANT}&x=${'x'.repeat(33 * 1024)}` },
      413,
      'invalid_request',
      'body_too_large',
    ],
    [
      'scope twice',
      { body: `${GRANT}&scope=a&scope=b` },
      400,
      'invalid_request',
      'parameter_twice',
    ],
    [
      'an unknown parameter twice',
      { body: `${GRANT}&zzz=a&zzz=b` },
      400,
      'invalid_request',
      'parameter_twice',
    ],
    ['grant_type twice', { body: `${GRANT}&${GRANT}` }, 400, 'invalid_request', 'parameter_twice'],
    [
      'resource twice',
      { body: `${GRANT}&resource=https://a&resource=https://b` },
      400,
      'invalid_target',
      'target_several',
    ],
    ['no body', { body: '' }, 400, 'invalid_request', 'grant_type_missing'],
    ['an empty grant_type', { body: 'grant_type=' }, 400, 'invalid_request', 'grant_type_missing'],
    [
      'another grant',
      { body: 'grant_type=password' },
      400,
      'unsupported_grant_type',
      'grant_type_unsupported',
    ],
    [
      'minimum_ttl in words',
      { body: `${GRANT}&minimum_ttl=soon` },
      400,
      'invalid_request',
      'minimum_ttl_invalid',
    ],
    [
      'minimum_ttl below nothing',
      { body: `${GRANT}&minimum_ttl=-1` },
      400,
      'invalid_request',
      'minimum_ttl_invalid',
    ],
    [
      'minimum_ttl of more than a day',
      { body: `${GRANT}&minimum_ttl=86401` },
      400,
      'invalid_request',
      'minimum_ttl_invalid',
    ],
    [
      'Basic that is not base64',
      { authorization: 'Basic %%%' },
      401,
      'invalid_client',
      'credentials_malformed',
    ],
    ['no credentials', { authorization: undefined }, 401, 'invalid_client', 'credentials_missing'],
    [
      'an unknown service',
      { authorization: basic('nobody', SECRET) },
      401,
      'invalid_client',
      'client_refused',
    ],
    [
      'a wrong secret',
      { authorization: basic('scheduling', 'wrong') },
      401,
      'invalid_client',
      'client_refused',
    ],
    [
      'an unknown upstream',
      { body: `${GRANT}&audience=nowhere` },
      400,
      'invalid_target',
      'target_refused',
    ],
    [
      'a scope outside the grant',
      { body: `${GRANT}&scope=system/Patient.write` },
      400,
      'invalid_scope',
      'scope_not_granted',
    ],
    [
      'a scope that is none',
      { body: `${GRANT}&scope=%00` },
      400,
      'invalid_scope',
      'scope_malformed',
    ],
    [
      'broken percent-encoding',
      { body: `${GRANT}&audience=%zz%ff` },
      400,
      'invalid_target',
      'target_refused',
    ],
    [
      'a parameter called __proto__',
      { body: `${GRANT}&__proto__=x&audience=__proto__` },
      400,
      'invalid_target',
      'target_refused',
    ],
  ])('%s', async (_, raw, status, error, code) => {
    const reply = await send(raw)
    expect([reply.statusCode, reply.json().error, reply.json().code]).toEqual([status, error, code])
    expect(Object.keys(reply.json()).sort()).toEqual(['code', 'error', 'error_description'])
    expect(reply.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': expect.stringContaining('application/json'),
    })
    expect(reply.body).not.toContain(SECRET)
    const record = (await world.audit()).at(-1)
    expect(record).toMatchObject({ decision: 'refused', granted: null })
  })

  test('HEAD', async () => {
    expect((await send({ method: 'HEAD' })).statusCode).toBe(405)
  })
})

test('a refusal of credentials says how to authenticate, and one of the method what is allowed', async () => {
  expect((await send({ authorization: undefined })).headers['www-authenticate']).toMatch(/^Basic /)
  expect((await send({ method: 'GET' })).headers['allow']).toBe('POST')
})

test('unknown and ungranted upstreams get the same reply, byte for byte', async () => {
  const [unknown, wrong] = [
    await send({ body: `${GRANT}&audience=nowhere` }),
    await send({ body: `${GRANT}&audience=epic&resource=https://other.example.com` }),
  ]
  expect(unknown.body).toBe(wrong.body)
  expect(unknown.statusCode).toBe(wrong.statusCode)
})

test('two Authorization headers are refused', async () => {
  const address = await listening()
  const lines = [
    'POST /oauth2/token HTTP/1.1',
    'host: x',
    'connection: close',
    `content-type: ${FORM}`,
  ]
  const both = [basic('scheduling', SECRET), basic('other', 'x')].map(
    each => `authorization: ${each}`,
  )
  const heard = await new Promise<string>(resolve => {
    let text = ''
    const socket = connect(Number(address.port), '127.0.0.1', () => {
      socket.write([...lines, ...both, `content-length: ${GRANT.length}`, '', GRANT].join('\r\n'))
    })
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('close', () => resolve(text))
  })
  expect(heard).toContain('auth_methods_several')
})

test('an address that cannot be decoded is 404 in our own form', async () => {
  const reply = await world.app.inject('/oauth2/%zz')
  expect([reply.statusCode, reply.json().code]).toEqual([404, 'not_found'])
})

test.each(['N74', ';', '\u00d9'])(
  'nothing at an address is 404 and no fault of ours, be what is sent there of type %j',
  async type => {
    const [before, reply] = [world.logged(), await send({ url: '/oauth2/tokens', type })]
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'not_found'])
    expect(world.logged()).toBe(before)
  },
)

test('an unknown parameter is ignored, and one without a value counts as left out', async () => {
  expect((await send({ body: `${GRANT}&foo=bar&scope=&audience=` })).statusCode).toBe(200)
})

test('the form may name its charset', async () => {
  expect((await send({ type: `${FORM};charset=UTF-8` })).statusCode).toBe(200)
})

describe('trouble with the EHR', () => {
  test('is 503 with Retry-After, and never the EHR’s own error', async () => {
    const own = await makeWorld()
    for (let times = 0; times < 3; times++)
      own.epic.faults.push((_, reply) => reply.code(502).type('text/html').send('<html>MARK'))
    own.epic.faults.push((_, reply) =>
      reply.code(400).send({ error: 'invalid_client', error_description: 'MARK' }),
    )
    const [outage, refused] = [await own.ask(), await own.ask()]
    expect(outage.statusCode).toBe(503)
    expect(outage.headers['retry-after']).toBe('10')
    expect(outage.json()).toMatchObject({
      error: 'temporarily_unavailable',
      code: 'upstream_unavailable',
    })
    expect(refused.statusCode).toBe(502)
    expect(refused.json()).toMatchObject({ error: 'server_error', code: 'upstream_invalid_client' })
    expect(outage.body + refused.body + own.logged()).not.toContain('MARK')
    expect(own.logged()).toContain('upstream_invalid_client')
    await own.close()
  })
})

test('what is hardly HTTP neither crashes the broker nor gets a 5xx', async () => {
  const address = await listening()
  const speak = (text: string) =>
    new Promise<string>(resolve => {
      let heard = ''
      const socket = connect(Number(address.port), '127.0.0.1', () => socket.end(text))
      socket.on('data', chunk => {
        heard += chunk
      })
      socket.on('error', () => resolve(heard))
      socket.on('close', () => resolve(heard))
    })
  const head = 'POST /oauth2/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\n'
  for (const text of [
    'nonsense\r\n\r\n',
    `${head}content-type: ${FORM}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde`,
    `${head}content-type: ${FORM}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    `${head}authorization: ${'x'.repeat(20_000)}\r\n\r\n`,
    'POST /oauth2/%00%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    'POST /%c0%ae%c0%ae/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
  ]) {
    expect(await speak(text)).toMatch(/^HTTP\/1\.1 4\d\d /)
  }
  expect((await send({})).statusCode).toBe(200)
})
