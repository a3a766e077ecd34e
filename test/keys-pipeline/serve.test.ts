import { hash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LogLine } from '../../keys-pipeline/access-log.ts'
import { readSite } from '../../keys-pipeline/built-site.ts'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { networkIn } from '../../keys-pipeline/networks.ts'
import { build, judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { buildServer, devSite, takeIdentity } from '../../keys-pipeline/serve.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { makeAuthority } from '../support/certificates.ts'
import { asIs, codes, ecJwk, folderWith, refusal, rsaJwk } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

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

  test('to HEAD without a body, to If-None-Match as 304, and with a cache-buster', async () => {
    const { server } = await serving()
    const { etag } = (await server.inject(JWKS)).headers
    expect((await server.inject({ method: 'HEAD', url: JWKS })).statusCode).toBe(200)
    expect(
      (await server.inject({ url: JWKS, headers: { 'if-none-match': String(etag) } })).statusCode,
    ).toBe(304)
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
  ]) {
    const reply = await server.inject(url)
    expect(reply.statusCode, url).toBe(404)
    expect(reply.body).toBe(site.get('404.html'))
  }
  expect((await server.inject('/%ff')).statusCode).toBeLessThan(500)
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

describe('the site of serve --dev', () => {
  const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
  const templates = readTemplates(join(PROJECT, 'site'))
  const devSiteOf = (files: Record<string, object>) => {
    const notes: string[] = []
    const site = devSite(judgeKeys(folderWith(files), asIs), settings, templates, note =>
      notes.push(note),
    )
    return {
      kids: JSON.parse(site.get(JWKS.slice(1)) ?? '').keys.map((key: { kid: string }) =>
        key.kid.slice(0, 4),
      ),
      notes,
    }
  }

  test('has a throw-away key that says that it is one, and that is said', () => {
    const { kids, notes } = devSiteOf({})
    expect(kids).toEqual(['dev-'])
    expect(notes).toHaveLength(1)
  })

  test('has the nonprod keys that there are', () => {
    const { kids, notes } = devSiteOf({ 'nonprod/a.json': { ...ecJwk(), kid: 'mine' } })
    expect([kids, notes]).toEqual([['mine'], []])
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

test('no URL brings the server into trouble', async () => {
  const { server } = await serving()
  const origin = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const statusOf = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(origin.port), '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      )
      let text = ''
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('error', reject)
      socket.on('close', () => resolve(Number(text.split(' ')[1])))
    })
  const paths = ['//', '///', '//[', '//x/y', '/\\', '/%', '/%00', '/%c0%ae', '/%5c..', '/?', '/#']
  const strange = ['http://[', 'http://x/', '*', 'http:', '/a%2f..%2f', `/${'x'.repeat(9000)}`]
  const bad: string[] = []
  for (const path of [...paths, ...strange]) {
    const status = await statusOf(path)
    if (!(status >= 200 && status < 500)) bad.push(`${path.slice(0, 20)} ${status}`)
  }
  expect(bad).toEqual([])
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
    expect([reply.statusCode, reply.headers['allow']]).toEqual([405, 'GET, HEAD'])
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

describe('what never became a request is told', () => {
  test('half a request', async () => {
    const { server, log } = await serving()
    const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'))
    await new Promise(done => socket.resume().on('close', done))
    expect(log).toMatchObject([{ event: 'connection_failed', address: '127.0.0.1' }])
  })

  test('a handshake that fails', async () => {
    const authority = await makeAuthority()
    const { cert, key } = await authority.issue()
    const { server, log } = await serving({
      tls: { cert: Buffer.from(cert), key: Buffer.from(key) },
    })
    const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
    await request(`https://localhost:${port}/`).catch(() => {})
    await expect.poll(() => log).toMatchObject([{ event: 'connection_failed' }])
  })
})

test('a certificate that was renewed is shown to whoever comes next, and no request fails', async () => {
  const authority = await makeAuthority()
  const pair = async (name: string) => {
    const { cert, key } = await authority.issue({ names: ['localhost', name] })
    return { cert: Buffer.from(cert), key: Buffer.from(key) }
  }
  const { server } = await serving({ tls: await pair('one.example') })
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const options = { port: Number(port), host: 'localhost', ca: authority.ca }
      const socket = connectTls(options, () => {
        resolve(socket.getPeerCertificate().subjectaltname ?? '')
        socket.destroy()
      }).on('error', reject)
    })
  const dispatcher = new Agent({ connect: { ca: authority.ca } })
  const get = async () =>
    (await request(`https://localhost:${port}${JWKS}`, { dispatcher })).statusCode
  expect([await shown(), await get()]).toEqual([expect.stringContaining('one.example'), 200])
  takeIdentity(server, await pair('two.example'))
  expect([await shown(), await get()]).toEqual([expect.stringContaining('two.example'), 200])
  await dispatcher.close()
})

test('a new site is served from the next request on, and each answer is from one site', async () => {
  let site = new Map([['a.json', 'old']])
  const server = await buildServer(() => site, {
    ...{ cache: CACHE.published, now: () => 0, log: () => {} },
  })
  onTestFinished(() => server.close())
  expect((await server.inject('/a.json')).body).toBe('old')
  site = new Map([['a.json', 'new']])
  expect((await server.inject('/a.json')).body).toBe('new')
})
