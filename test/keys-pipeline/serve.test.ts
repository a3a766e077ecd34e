import { hash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join, relative } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LogLine } from '../../keys-pipeline/access-log.ts'
import { readSite } from '../../keys-pipeline/built-site.ts'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { networkIn } from '../../keys-pipeline/networks.ts'
import { build } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { buildServer, listenOn, readIdentity, takeIdentity } from '../../keys-pipeline/serve.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { makeAuthority } from '../support/certificates.ts'
import {
  asIs,
  codes,
  ecJwk,
  folderWith,
  once as onceMade,
  refusal,
  rsaJwk,
} from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'
import { PROJECT } from '../support/processes.ts'
import { haproxy } from '../support/servers.ts'

const JWKS = '/nonprod/.well-known/jwks.json'

function built(): string {
  const out = join(folderWith(), 'out')
  build({
    keys: folderWith({ 'nonprod/a.jwk.json': ecJwk(), 'production/b.jwk.json': rsaJwk() }),
    out,
    settings: readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs),
    templates: readTemplates(join(PROJECT, 'site')),
    commit: null,
    show: asIs,
  })
  return out
}

async function serving(more = {}, out = built()) {
  const site = readSite(out, asIs)
  const log: LogLine[] = []
  const server = await buildServer(() => site, {
    cache: CACHE.published,
    now: () => 0,
    log: access => log.push(access),
    ...more,
  })
  onTestFinished(() => server.close())
  return { site, log, server }
}

describe('a key set is served', () => {
  test('byte for byte, as JSON, to any origin, for as long as design says', async () => {
    const { site, server } = await serving()
    const reply = await server.inject(JWKS)
    expect(reply.body).toBe(site.get(JWKS.slice(1)))
    expect(reply.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': CACHE.published,
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
      etag: expect.any(String),
    })
  })

  test('to HEAD without a body, but with all that GET would say', async () => {
    const { server } = await serving()
    const { headers } = await server.inject(JWKS)
    const head = await server.inject({ method: 'HEAD', url: JWKS })
    expect([head.statusCode, head.body]).toEqual([200, ''])
    expect({ ...head.headers, date: '' }).toEqual({ ...headers, date: '' })
  })

  test.each<[string, (etag: string) => string, number]>([
    ['the one that was sent', etag => etag, 304],
    ['the same made weak by a proxy', etag => `W/${etag}`, 304],
    ['a list', etag => `"x", ${etag}`, 304],
    ['whatever there is', () => '*', 304],
    ['another', () => '"x"', 200],
    ['a star in quotes', () => '"*"', 200],
    ['nonsense', () => 'x', 200],
  ])('to If-None-Match: %s', async (_, named, status) => {
    const { server } = await serving()
    const { etag } = (await server.inject(JWKS)).headers
    for (const method of ['GET', 'HEAD'] as const) {
      const asked = { method, url: JWKS, headers: { 'if-none-match': named(String(etag)) } }
      const reply = await server.inject(asked)
      expect([reply.statusCode, reply.headers.etag]).toEqual([status, etag])
      if (status === 304) expect(reply.body).toBe('')
    }
  })

  test('with a cache-buster', async () => {
    const { server } = await serving()
    expect((await server.inject(`${JWKS}?x=1`)).statusCode).toBe(200)
  })

  test('over HTTPS with the certificate that was given', async () => {
    const authority = await makeAuthority()
    const { cert, key } = await authority.issue()
    const { server } = await serving({ tls: { cert: Buffer.from(cert), key: Buffer.from(key) } })
    const origin = (await server.listen({ host: '127.0.0.1', port: 0 })).replace(
      '127.0.0.1',
      'localhost',
    )
    const dispatcher = new Agent({ connect: { ca: authority.ca } })
    const { statusCode, body } = await request(`${origin}${JWKS}`, { dispatcher })
    expect(statusCode).toBe(200)
    expect(await body.json()).toHaveProperty('keys')
    await dispatcher.close()
  })
})

test('what is not published is 404, however it is asked for', async () => {
  const { server, site } = await serving()
  for (const url of [
    '/nothing',
    '/../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/keys/',
    '/__proto__',
    '/publication.json/',
    '/%ff',
    '/%',
    '*',
  ]) {
    const reply = await server.inject(url)
    expect(reply.statusCode, url).toBe(404)
    expect(reply.body).toBe(site.get('404.html'))
    const known = { 'if-none-match': String(reply.headers.etag) }
    expect((await server.inject({ url, headers: known })).statusCode, url).toBe(404)
  }
})

test.each([
  ['/', 200],
  ['/nothing', 404],
])(
  'the page at %s is asked for anew each time, and may load, frame and tell nothing',
  async (url, status) => {
    const { server } = await serving()
    const { statusCode, headers } = await server.inject(url)
    expect(statusCode).toBe(status)
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; style-src 'sha256-[^']+'; .*frame-ancestors 'none'$/,
      ),
      'referrer-policy': 'no-referrer',
    })
  },
)

test('the access log says who fetched what', async () => {
  const { server, log, site } = await serving()
  await server.inject({
    url: JWKS,
    remoteAddress: '192.0.2.7',
    headers: { 'user-agent': 'Interconnect' },
  })
  expect(log).toEqual([
    {
      time: '1970-01-01T00:00:00.000Z',
      address: '192.0.2.7',
      userAgent: 'Interconnect',
      method: 'GET',
      path: JWKS,
      status: 200,
      forwarded: null,
      bytes: site.get(JWKS.slice(1))?.length,
    },
  ])
})

describe('a site that is not what the build wrote is not served', () => {
  test.each<[string, (out: string) => void]>([
    ['a file was changed', out => writeFileSync(join(out, JWKS), '{"keys":[]}')],
    ['the list is broken', out => writeFileSync(join(out, 'publication.json'), '{')],
  ])('%s', (_, spoil) => {
    const out = built()
    spoil(out)
    expect(() => readSite(out, asIs)).toThrowError(expect.objectContaining({ code: 'out_damaged' }))
  })

  test('nothing was built', () => {
    expect(() => readSite(folderWith(), asIs)).toThrowError(
      expect.objectContaining({ code: 'out_damaged' }),
    )
  })
})

describe('a publication that lists nonsense is damage, not a crash', () => {
  test.each<[string, unknown]>([
    ['no list', {}],
    ['a list that is null', { files: null }],
    ['a list that is a number', { files: 7 }],
    ['null', null],
    ['a file that is not there', { files: { 'nothing.json': 'x' } }],
    ['a hash that is no text', { files: { 'index.html': null } }],
    ['a file out of the site', { files: { '../outside.txt': hash('sha256', 'outside', 'hex') } }],
  ])('%s', (_, publication) => {
    const folder = folderWith({
      'out/publication.json': JSON.stringify(publication),
      'out/index.html': '',
      'outside.txt': 'outside',
    })
    expect(codes(refusal(() => readSite(join(folder, 'out'), asIs)))).toEqual(['out_damaged'])
  })
})

/** What the server answers to these very bytes, until it closes. */
async function answerTo(server: FastifyInstance, bytes: string): Promise<string> {
  const { port } = server.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

describe('no URL brings the server into trouble', () => {
  const paths = ['//', '///', '//[', '//x/y', '/\\', '/%', '/%00', '/%c0%ae', '/%5c..', '/?', '/#']
  const strange = ['http://[', 'http://x/', '*', 'http:', '/a%2f..%2f', `/${'x'.repeat(9000)}`]
  test.each([...paths, ...strange].map(path => [path.slice(0, 20), path]))(
    '%s',
    async (_, path) => {
      const { server, log } = await serving()
      await server.listen({ host: '127.0.0.1', port: 0 })
      const text = await answerTo(
        server,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      )
      expect([200, 400, 404]).toContain(Number(text.split(' ')[1]))
      expect(log).toHaveLength(1)
    },
  )
})

describe('each answer is in the log, as it was given', () => {
  const headers = 'Host: x\r\nConnection: close'
  const long = 'x'.repeat(17_000)
  test.each<[string, string, number, object]>([
    ['the whole URL', `GET http://x${JWKS} HTTP/1.1\r\n${headers}`, 200, { status: 200 }],
    ['HTTP/1.0', `GET ${JWKS} HTTP/1.0`, 200, { status: 200 }],
    ['no Host', `GET ${JWKS} HTTP/1.1`, 400, { status: 400 }],
    ['an expectation', `GET / HTTP/1.1\r\n${headers}\r\nExpect: x`, 200, { status: 200 }],
    ['an upgrade', `GET / HTTP/1.1\r\n${headers}\r\nUpgrade: x`, 200, { status: 200 }],
    ['a rare method', `PROPFIND / HTTP/1.1\r\n${headers}`, 405, { status: 405 }],
    ['a new method', `QUERY / HTTP/1.1\r\n${headers}`, 405, { status: 405 }],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${headers}`, 405, { status: 405 }],
    ['POST nowhere', `POST /% HTTP/1.1\r\n${headers}\r\nContent-Length: 0`, 405, { status: 405 }],
    [
      'a body that never comes',
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ;;\r\nContent-Length: 9`,
      405,
      { status: 405 },
    ],
    ['no method', `NONSENSE / HTTP/1.1\r\n${headers}`, 400, { reason: 'HPE_INVALID_METHOD' }],
    ['no HTTP', 'hello', 400, { event: 'connection_failed' }],
    ['a header too long', `GET / HTTP/1.1\r\nX: ${long}`, 431, { reason: 'HPE_HEADER_OVERFLOW' }],
    ['two lengths', `GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2`, 400, {}],
  ])('%s', async (_, head, status, logged) => {
    const { server, log } = await serving()
    await server.listen({ host: '127.0.0.1', port: 0 })
    const text = await answerTo(server, `${head}\r\n\r\n`)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(log).toEqual([expect.objectContaining({ address: '127.0.0.1', ...logged })])
  })
})

test('every file of the built site is served, the publication too', async () => {
  const out = built()
  const { server } = await serving({}, out)
  const names = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter(each => each.isFile())
    .map(each => relative(out, join(each.parentPath, each.name)))
  expect(names).toContain('publication.json')
  for (const name of names) {
    const reply = await server.inject(`/${name}`)
    expect([name, reply.statusCode]).toEqual([name, 200])
    expect(reply.body).toBe(readFileSync(join(out, name), 'utf8'))
  }
})

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const)(
  '%s is not allowed, whatever it brings',
  async method => {
    const { server, log } = await serving()
    const headers = { 'content-type': 'application/json' }
    const reply = await server.inject({ method, url: JWKS, headers, payload: '{"a":' })
    expect([reply.statusCode, reply.headers.allow]).toEqual([405, 'GET, HEAD'])
    expect(log).toMatchObject([{ method, status: 405 }])
  },
)

test('nothing is said to be sent where nothing is: HEAD, 304', async () => {
  const { server, log } = await serving()
  const { etag } = (await server.inject(JWKS)).headers
  await server.inject({ method: 'HEAD', url: JWKS })
  await server.inject({ url: JWKS, headers: { 'if-none-match': String(etag) } })
  expect(log.slice(1)).toMatchObject([
    { status: 200, bytes: 0 },
    { status: 304, bytes: 0 },
  ])
})

describe('X-Forwarded-For is believed of trusted proxies alone', () => {
  const chain = '203.0.113.9, 10.0.0.8'
  const trusted = [networkIn('10.0.0.0/8')].filter(each => each !== null)
  test.each([
    ['nobody is trusted', [], '10.0.0.7', chain, '10.0.0.7', null],
    ['the peer is a proxy', trusted, '10.0.0.7', chain, '203.0.113.9', ['203.0.113.9', '10.0.0.8']],
    ['the peer is a stranger', trusted, '192.0.2.1', chain, '192.0.2.1', null],
    [
      'a client wrote before the proxy did',
      trusted,
      '10.0.0.7',
      '198.51.100.1, 203.0.113.9',
      '203.0.113.9',
      ['198.51.100.1', '203.0.113.9'],
    ],
    ['what is no address', trusted, '10.0.0.7', 'a hospital', '10.0.0.7', []],
  ] as const)('%s', async (_, networks, remoteAddress, header, address, forwarded) => {
    const { server, log } = await serving({ trusted: networks })
    await server.inject({ url: JWKS, remoteAddress, headers: { 'x-forwarded-for': header } })
    expect(log).toMatchObject([{ address, forwarded }])
  })
})

describe('a connection that no request came of has a line, unless a proxy of ours only knocked', () => {
  const knock = (server: FastifyInstance): Promise<unknown> => {
    const { port } = server.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1', () => socket.end())
    return once(socket.resume(), 'close')
  }
  const ours = [networkIn('127.0.0.0/8')].filter(each => each !== null)
  test.each([
    ['a stranger', [], 'left without a request'],
    ['a proxy', ours, null],
  ])('%s', async (_, trusted, reason) => {
    const { server, log } = await serving({ trusted })
    await server.listen({ host: '127.0.0.1', port: 0 })
    await knock(server)
    await server.close()
    const line = { event: 'connection_failed', address: '127.0.0.1', reason }
    expect(log).toEqual(reason === null ? [] : [expect.objectContaining(line)])
  })

  test('a proxy whose TLS does not fit ours is no knock', async () => {
    const { server, log } = await serving({ trusted: ours, tls: await identity('localhost') })
    await server.listen({ host: '127.0.0.1', port: 0 })
    await answerTo(server, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(log).toMatchObject([{ address: '127.0.0.1', reason: 'ERR_SSL_HTTP_REQUEST' }])
  })
})

const authority = onceMade(makeAuthority)
async function identity(...names: string[]) {
  const { cert, key } = await (await authority()).issue({ names })
  return { cert: Buffer.from(cert), key: Buffer.from(key) }
}

test('X-Forwarded-For of a proxy that somebody else wrote names the client, whatever the client says', async () => {
  const trusted = [networkIn('127.0.0.1')].filter(each => each !== null)
  const { server, log } = await serving({ trusted })
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const proxy = await haproxy(
    '  option forwardfor\n  default_backend keys',
    `backend keys\n  server one 127.0.0.1:${port} source 127.0.0.1`,
    {},
    '',
  )
  const socket = connect({ port: proxy.port, host: '127.0.0.1', localAddress: '127.0.0.2' }, () =>
    socket.write(
      `GET ${JWKS} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n`,
    ),
  )
  await once(socket.resume(), 'close')
  expect(log).toMatchObject([{ address: '127.0.0.2', forwarded: ['192.0.2.9', '127.0.0.2'] }])
})

/** The names in the certificate that a new connection gets to see. */
async function namesShown(server: FastifyInstance): Promise<string | undefined> {
  const { port } = server.server.address() as AddressInfo
  const socket = connectTls({ port, host: 'localhost', ca: (await authority()).ca })
  await once(socket, 'secureConnect')
  const { subjectaltname } = socket.getPeerCertificate()
  socket.destroy()
  return subjectaltname
}

test.each(['127.0.0.1', 'localhost'])(
  'listening on %s, a renewed certificate is shown to whoever comes next',
  async host => {
    const { server } = await serving({ tls: await identity('localhost', 'one.example') })
    await listenOn(server, host, 0)
    expect(await namesShown(server)).toContain('one.example')
    takeIdentity(server, await identity('localhost', 'two.example'))
    expect(await namesShown(server)).toContain('two.example')
    expect(server.addresses()).toHaveLength(1)
  },
)

test('while site and certificate change no request fails, and each answer is one site whole', async () => {
  const sites = ['old', 'new'].map(name => new Map([['a.json', name.repeat(20_000)]]))
  const whole = sites.map(each => each.get('a.json'))
  const tls = [await identity('localhost'), await identity('localhost')] as const
  let at = 0
  const server = await buildServer(() => sites[at % 2] ?? new Map(), {
    ...{ cache: CACHE.published, now: () => 0, log: () => {}, tls: tls[0] },
  })
  onTestFinished(() => server.close())
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const dispatcher = new Agent({ connect: { ca: (await authority()).ca }, connections: 8 })
  const seen = new Set<string>()
  const ask = async (): Promise<void> => {
    const { body } = await request(`https://localhost:${port}/a.json`, {
      dispatcher,
      reset: at % 3 === 0,
    })
    const text = await body.text()
    expect(whole).toContain(text)
    seen.add(text.slice(0, 3))
    at++
    takeIdentity(server, tls[at % 2 === 0 ? 0 : 1])
  }
  await Promise.all(Array.from({ length: 200 }, ask))
  expect([...seen].sort()).toEqual(['new', 'old'])
  await dispatcher.close()
})

test('a stopped server answers whoever began to ask, and waits for nobody who only stays', async () => {
  const { server, site } = await serving()
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const asked = `GET ${JWKS} HTTP/1.1\r\nHost: x\r\n\r\n`
  const staying = connect(Number(port), '127.0.0.1', () => staying.write(asked))
  await once(staying, 'data')
  const left = once(staying.resume(), 'close')
  const asking = connect(Number(port), '127.0.0.1', () => asking.write(asked.slice(0, 9)))
  const [heard] = (await once(server.server, 'connection')) as [Socket]
  await expect.poll(() => heard.bytesRead).toBe(9)
  const closed = server.close()
  await left
  asking.write(asked.slice(9))
  let text = ''
  for await (const chunk of asking) text += chunk
  await closed
  expect(text).toMatch(/^HTTP\/1.1 200 /)
  expect(text).toContain(site.get(JWKS.slice(1)))
})

test('of an answer that broke off nothing is said to be sent', async () => {
  const log: LogLine[] = []
  const server = await buildServer(() => new Map([['a.json', 'x'.repeat(16 * 1024 * 1024)]]), {
    ...{ cache: CACHE.published, now: () => 0, log: line => log.push(line) },
  })
  onTestFinished(() => server.close())
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect(Number(port), '127.0.0.1', () =>
    socket.write('GET /a.json HTTP/1.1\r\nHost: x\r\n\r\n'),
  )
  await once(socket, 'readable')
  socket.resetAndDestroy()
  await expect.poll(() => log).toMatchObject([{ address: '127.0.0.1', status: 200, bytes: 0 }])
})

describe('a certificate that TLS would not take is refused before it is shown', () => {
  test.each<[string, () => { cert: string; key: string }]>([
    ['an empty file', () => ({ cert: '', key: '' })],
    ['a key that is another’s', () => ({ cert: selfSigned(2048).cert, key: selfSigned(2048).key })],
    ['a key too short', () => selfSigned(1024)],
  ])('%s', (_, made) => {
    const { cert, key } = made()
    const folder = folderWith({ 'cert.pem': cert, 'key.pem': key })
    const read = () => readIdentity(join(folder, 'cert.pem'), join(folder, 'key.pem'), asIs)
    expect(codes(refusal(read))).toEqual(['tls_unusable'])
  })
})

function selfSigned(bits: number): { cert: string; key: string } {
  const key = openssl(['genrsa', `${bits}`]).toString()
  const args = ['req', '-x509', '-new', '-key', '/dev/stdin', '-subj', '/CN=localhost']
  return { cert: openssl(args, key).toString(), key }
}
