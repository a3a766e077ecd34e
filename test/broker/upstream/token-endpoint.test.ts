import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openConnections } from '../../../broker/upstream/connections.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import { upstream } from '../../support/upstream.ts'

let authority: Authority
const open: Server[] = []
const connections = openConnections()
beforeAll(async () => {
  authority = await makeAuthority()
})
afterAll(async () => {
  for (const server of open) server.closeAllConnections()
  await Promise.all(open.map(server => new Promise(done => server.close(done))))
  await connections.close()
})

async function listen(server: Server, scheme: string): Promise<string> {
  open.push(server)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return `${scheme}://localhost:${typeof address === 'object' ? address?.port : 0}/token`
}

const plain = (listener: RequestListener) => listen(createServer(listener), 'http')
const secure = (listener: RequestListener, tls: object) =>
  listen(createTlsServer(tls, listener) as unknown as Server, 'https')

const post = (url: string, deadline = 5, ca: string | null = null) =>
  connections.postFor(upstream({ ca }))(
    url,
    new URLSearchParams({ grant_type: 'client_credentials' }),
    deadline,
  )

describe('what an EHR may do to a caller is bounded', () => {
  test.each<[string, RequestListener, string]>([
    [
      'a connection that is reset',
      request => void request.socket.destroy(),
      'upstream_unreachable',
    ],
    ['headers that never come', () => {}, 'upstream_timeout'],
    [
      'a body that never ends in time',
      (_, reply) => void reply.writeHead(200).write('{'),
      'upstream_timeout',
    ],
    ['a body without end', (_, reply) => flood(reply), 'upstream_reply_too_large'],
    [
      'a body that is too long',
      (_, reply) => void reply.end('x'.repeat(70_000)),
      'upstream_reply_too_large',
    ],
    [
      'a body cut short',
      (request, reply) => {
        reply.writeHead(200, { 'content-length': '100' }).write('{')
        setImmediate(() => request.socket.destroy())
      },
      'upstream_unreachable',
    ],
    [
      'something that is not HTTP',
      request => void request.socket.end('SSH-2.0-x\r\n'),
      'upstream_unreachable',
    ],
  ])('%s', async (_, listener, code) => {
    await expect(post(await plain(listener), 0.4)).rejects.toMatchObject({ code })
  })

  test.each([302, 429, 500, 503])(
    'a status of %i is judged before a body that never ends',
    async status => {
      const url = await plain((_, reply) => flood(reply.writeHead(status)))
      expect(await post(url)).toMatchObject({ status, type: '', text: '' })
    },
  )

  test('a redirect is not followed', async () => {
    let visits = 0
    const url = await plain((_, reply) => {
      visits++
      reply.writeHead(307, { location: '/elsewhere' }).end()
    })
    expect(await post(url)).toMatchObject({ status: 307 })
    expect(visits).toBe(1)
  })

  test('compression is neither asked for nor unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    const url = await plain((request, reply) => {
      expect(request.headers['accept-encoding']).toBe('identity')
      reply.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    })
    const { text } = await post(url)
    expect(text.length).toBeLessThanOrEqual(bomb.length)
  })

  test('a refused connection is unreachable', async () => {
    const url = await plain(() => {})
    const [server] = open.slice(-1)
    await new Promise(done => server?.close(done))
    open.pop()
    await expect(post(url)).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })
})

describe('TLS', () => {
  const answer: RequestListener = (_, reply) => void reply.end('{}')

  test('a certificate of the authority that the config names is trusted', async () => {
    const url = await secure(answer, await authority.issue())
    expect(await post(url, 5, authority.ca)).toMatchObject({ status: 200 })
  })

  test.each([
    ['of an authority that nobody named', {}, null],
    ['that has expired', { notAfter: new Date('2021-01-01') }, 'named'],
    ['that is not valid yet', { notBefore: new Date('2098-01-01') }, 'named'],
    ['for another name', { names: ['other.example.com'] }, 'named'],
  ])('a certificate %s is refused', async (_, options, ca) => {
    const url = await secure(answer, await authority.issue(options))
    await expect(post(url, 5, ca && authority.ca)).rejects.toMatchObject({
      code: 'upstream_tls_failed',
    })
  })

  test('TLS 1.1 is refused', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    const url = await secure(answer, { ...(await authority.issue()), ...old })
    await expect(post(url, 5, authority.ca)).rejects.toMatchObject({ code: 'upstream_tls_failed' })
  })
})

test('no error holds what was sent', async () => {
  const url = await plain(request => void request.socket.destroy())
  const form = new URLSearchParams({ client_assertion: 'MARK' })
  const error = await connections
    .postFor(upstream())(url, form, 1)
    .catch(thrown => thrown)
  expect(JSON.stringify([error.message, error.facts, String(error.cause)])).not.toContain('MARK')
})

function flood(reply: Parameters<RequestListener>[1]): void {
  const more = () => {
    while (!reply.destroyed && reply.write('x'.repeat(16_384)));
    if (!reply.destroyed) reply.once('drain', more)
  }
  more()
}
