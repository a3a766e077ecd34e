import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
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
