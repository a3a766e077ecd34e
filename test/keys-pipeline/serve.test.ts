import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { build } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { type Access, buildServer, devKey, readSite } from '../../keys-pipeline/serve.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { makeAuthority } from '../support/certificates.ts'
import { asIs, ecJwk, folderWith, rsaJwk } from '../support/key-files.ts'
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

async function serving(more = {}) {
  const site = readSite(built(), asIs)
  const log: Access[] = []
  const server = await buildServer(site, {
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
  expect((await server.inject({ method: 'POST', url: JWKS })).statusCode).toBe(404)
})

test('the access log says who fetched what', async () => {
  const { server, log } = await serving()
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
      bytes: expect.any(Number),
    },
  ])
  expect(log[0]?.bytes).toBeGreaterThan(100)
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

test('a throw-away key says that it is one', () => {
  expect(devKey().jwk.kid).toMatch(/^dev-/)
})
