import { once } from 'node:events'
import { createServer as createPlain, type RequestListener, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Fruitless, watchConnections } from '../../keys-pipeline/connections.ts'
import { makeAuthority } from '../support/certificates.ts'
import { once as onceMade } from '../support/keys.ts'

const authority = onceMade(makeAuthority)

/** A server that is watched, and what was told of it. */
async function watched(secure: boolean) {
  const told: Fruitless[] = []
  const listener: RequestListener = (request, reply) => {
    connections.asked(request.socket)
    reply.end('here')
  }
  const { ca, issue } = await authority()
  const server: Server = secure ? createSecure(await issue(), listener) : createPlain(listener)
  const connections = watchConnections(server, { secure, tell: each => told.push(each) })
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket: Socket) => {
    if (code && code !== 'ECONNRESET') {
      connections.refused(socket, code)
      connections.refused(socket, 'what came after')
    }
    socket.destroy()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  onTestFinished(() => (server.listening ? close() : undefined))
  return { server, port: (server.address() as AddressInfo).port, told, close, ca }
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const gone = (socket: Socket): Promise<unknown> =>
  new Promise(done => socket.on('error', () => {}).on('close', done))

describe('who asks nothing is told of, with the address', () => {
  test.each<[string, boolean, (socket: Socket) => unknown, string]>([
    ['leaves', false, socket => socket.end(), 'left without a request'],
    ['resets', false, socket => socket.resetAndDestroy(), 'left without a request'],
    ['leaves before TLS', true, socket => socket.end(), 'left without a handshake'],
    ['resets before TLS', true, socket => socket.resetAndDestroy(), 'left without a handshake'],
    ['speaks no TLS', true, socket => socket.write(GET), 'ERR_SSL_HTTP_REQUEST'],
    ['speaks no HTTP', false, socket => socket.write('x\r\n\r\n'), 'HPE_INVALID_METHOD'],
    [
      'asks for a tunnel',
      false,
      socket => socket.write(`CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n`),
      'left without a request',
    ],
  ])('%s', async (_, secure, act, reason) => {
    const { port, told } = await watched(secure)
    const socket = connect(port, '127.0.0.1', () => act(socket)).resume()
    await gone(socket)
    await expect.poll(() => told).toMatchObject([{ address: '127.0.0.1', reason }])
  })

  test.each<[string, SecureVersion, string]>([
    ['before the handshake ends (TLS 1.3)', 'TLSv1.3', 'left without a handshake'],
    ['after it (TLS 1.2)', 'TLSv1.2', 'left without a request'],
  ])('distrusts the certificate and leaves %s', async (_, maxVersion, reason) => {
    const { port, told } = await watched(true)
    await gone(connectTls({ port, host: 'localhost', maxVersion }))
    await expect.poll(() => told).toMatchObject([{ address: '127.0.0.1', reason, quiet: true }])
  })

  test('knows only a TLS of yesterday', async () => {
    const { port, told } = await watched(true)
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    await gone(connectTls({ port, host: 'localhost', ...old }))
    const reason = 'ERR_SSL_UNSUPPORTED_PROTOCOL'
    await expect.poll(() => told).toMatchObject([{ address: '127.0.0.1', reason, quiet: false }])
  })

  test('is one too many', async () => {
    const { server, port, told } = await watched(false)
    server.maxConnections = 1
    const first = connect(port, '127.0.0.1', () => first.write(GET))
    await once(first, 'data')
    await gone(connect(port, '127.0.0.1'))
    await expect.poll(() => told).toMatchObject([{ reason: 'too many connections' }])
  })
})

describe('who asked is not told of, however it ends', () => {
  test.each<[string, boolean, (socket: Socket) => unknown]>([
    ['it leaves', false, socket => socket.end()],
    ['it resets', false, socket => socket.resetAndDestroy()],
    ['it leaves TLS', true, socket => socket.end()],
    ['it breaks TLS off', true, socket => socket.destroy()],
  ])('%s', async (_, secure, act) => {
    const { port, told, close, ca } = await watched(secure)
    const socket = secure ? connectTls({ port, host: 'localhost', ca }) : connect(port, '127.0.0.1')
    socket.write(GET)
    await once(socket, 'data')
    act(socket)
    await gone(socket)
    await close()
    expect(told).toEqual([])
  })

  test('but nonsense after a good request is, and once', async () => {
    const { port, told } = await watched(false)
    const socket = connect(port, '127.0.0.1', () => socket.write(GET))
    await once(socket, 'data')
    socket.write('x\r\n\r\n')
    await gone(socket)
    expect(told).toMatchObject([{ reason: 'HPE_INVALID_METHOD' }])
  })
})
