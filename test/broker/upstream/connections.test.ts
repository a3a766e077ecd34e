import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, expect, test } from 'vitest'
import { openConnections } from '../../../broker/upstream/connections.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { upstream } from '../../support/upstream.ts'

const closing: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(closing.map(close => close())))

async function server() {
  const authority = await makeAuthority()
  let connections = 0
  const listening = createServer(await authority.issue(), (_, reply) => reply.end('{}')).on(
    'secureConnection',
    () => {
      connections++
    },
  )
  await new Promise<void>(done => listening.listen(0, '127.0.0.1', done))
  closing.push(async () => {
    listening.closeAllConnections()
    await new Promise(done => listening.close(done))
  })
  const address = listening.address()
  const port = typeof address === 'object' ? address?.port : 0
  return {
    ca: authority.ca,
    url: `https://localhost:${port}/token`,
    connections: () => connections,
  }
}

test('an upstream trusts its own authority and not that of another', async () => {
  const [one, two] = [await server(), await server()]
  const connections = openConnections()
  closing.push(connections.close)
  const post = (ca: string, url: string) =>
    connections.postFor(upstream({ ca }))(url, new URLSearchParams(), 5)
  expect(await post(one.ca, one.url)).toMatchObject({ status: 200 })
  expect(await post(two.ca, two.url)).toMatchObject({ status: 200 })
  await expect(post(one.ca, two.url)).rejects.toMatchObject({ code: 'upstream_tls_failed' })
})

test('after the end no call begins, and one that is under way fails', async () => {
  const connections = openConnections()
  const arrived = Promise.withResolvers<void>()
  const silent = createPlainServer(() => arrived.resolve())
  await new Promise<void>(done => silent.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/token`
  const call = () => connections.postFor(upstream())(url, new URLSearchParams(), 5)
  const underWay = call().catch(error => error.code)
  await arrived.promise
  await connections.close()
  expect(await underWay).toBe('upstream_unreachable')
  await expect(call()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  silent.closeAllConnections()
  await new Promise(done => silent.close(done))
})

test('calls one after the other share connections', async () => {
  const one = await server()
  const connections = openConnections()
  closing.push(connections.close)
  for (let at = 0; at < 10; at++) {
    await connections.postFor(upstream({ ca: one.ca }))(one.url, new URLSearchParams(), 5)
  }
  expect(one.connections()).toBeLessThanOrEqual(2)
})

/** A proxy that makes tunnels, and remembers to where. */
async function proxy() {
  const tunnels: string[] = []
  const listening = createPlainServer().on('connect', (request, socket, head) => {
    tunnels.push(request.url ?? '')
    const [host = '', port = ''] = (request.url ?? '').split(':')
    const far = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      far.write(head)
      far.pipe(socket).pipe(far)
    })
    for (const each of [far, socket]) each.on('error', () => each.destroy())
  })
  await new Promise<void>(done => listening.listen(0, '127.0.0.1', done))
  closing.push(async () => {
    listening.closeAllConnections()
    listening.close()
  })
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, tunnels }
}

test('behind a proxy the call goes through a tunnel, whose end is the EHR’s own certificate', async () => {
  const [ehr, stranger, web] = [await server(), await server(), await proxy()]
  const connections = openConnections({ url: web.url, except: '' })
  closing.push(connections.close)
  const post = (ca: string) =>
    connections.postFor(upstream({ ca }))(ehr.url, new URLSearchParams(), 5)
  expect(await post(ehr.ca)).toMatchObject({ status: 200 })
  expect(web.tunnels).toEqual([new URL(ehr.url).host])
  await expect(post(stranger.ca)).rejects.toMatchObject({ code: 'upstream_tls_failed' })
})

test('hosts that are excepted are called directly', async () => {
  const [ehr, web] = [await server(), await proxy()]
  const connections = openConnections({ url: web.url, except: 'localhost' })
  closing.push(connections.close)
  const reply = await connections.postFor(upstream({ ca: ehr.ca }))(
    ehr.url,
    new URLSearchParams(),
    5,
  )
  expect([reply.status, web.tunnels]).toEqual([200, []])
})

test('a proxy that is away is told as an EHR that cannot be reached', async () => {
  const ehr = await server()
  const connections = openConnections({ url: 'http://127.0.0.1:1', except: '' })
  closing.push(connections.close)
  const call = connections.postFor(upstream({ ca: ehr.ca }))(ehr.url, new URLSearchParams(), 5)
  await expect(call).rejects.toMatchObject({ code: 'upstream_unreachable' })
})

test('an EHR that asks for a certificate of ours is shown that of its upstream, and no other', async () => {
  const authority = await makeAuthority()
  const seen: string[] = []
  const options = { ...(await authority.issue()), ca: authority.ca }
  const listening = createServer(
    { ...options, requestCert: true, rejectUnauthorized: false },
    (request, reply) => {
      seen.push(
        (request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? '(none)',
      )
      reply.end('{}')
    },
  )
  await new Promise<void>(done => listening.listen(0, '127.0.0.1', done))
  closing.push(async () => {
    listening.closeAllConnections()
    listening.close()
  })
  const connections = openConnections()
  closing.push(connections.close)
  const url = `https://localhost:${(listening.address() as AddressInfo).port}/token`
  const identity = await authority.issue({ names: ['lockstep.example.com'] })
  for (const one of [identity, null])
    await connections.postFor(upstream({ ca: authority.ca, identity: one }))(
      url,
      new URLSearchParams(),
      5,
    )
  expect(seen).toEqual(['lockstep.example.com', '(none)'])
})
