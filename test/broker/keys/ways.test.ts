import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createTcp } from 'node:net'
import { Agent } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { openWays } from '../../../broker/keys/ways.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { publicationHost, setOf } from '../../support/publication-host.ts'

const ways = openWays(() => performance.now(), null)

test.each([
  ['an address is reached over its own family', 'http://127.0.0.1:9/', ['IPv4']],
  ['also in brackets', 'http://[::1]:9/', ['IPv6']],
  ['a name that is not there has no way', 'https://keys.invalid/', []],
])('%s', async (_, url, names) => {
  const found = await ways(new URL(url), null, null)
  expect(found.map(({ name }) => name)).toEqual(names)
  await Promise.all(found.map(way => way.close()))
})

test('a family that is not to be looked over is no way', async () => {
  expect(await ways(new URL('http://127.0.0.1:9/'), null, 6)).toEqual([])
})

test('where nobody listens, the look says so', async () => {
  const server = createTcp()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise(done => server.close(done))
  const url = `http://127.0.0.1:${port}/`
  const [way] = await ways(new URL(url), null, null)
  expect((await way?.visit(url, {}))?.failure).toBe('unreachable')
  await way?.close()
})

test('nobody is believed who has no certificate of a trusted authority', async () => {
  const authority = await makeAuthority()
  const server = createServer({ ...(await authority.issue()) }, (_, reply) => reply.end('{}'))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`)
  const look = async (ca: string | null) => {
    const found = await ways(url, ca, null)
    const looks = await Promise.all(found.map(way => way.visit(url.href, {})))
    await Promise.all(found.map(way => way.close()))
    return looks[0]
  }
  expect((await look(authority.ca))?.status).toBe(200)
  expect((await look(null))?.failure).toBe('tls')
})

test('behind a proxy there is one way, through it', async () => {
  const host = await publicationHost(setOf([]))
  const through = openWays(
    () => performance.now(),
    () => new Agent(),
  )
  const [way, ...more] = await through(new URL(host.url), null, null)
  expect([way?.name, more]).toEqual(['proxy', []])
  expect((await way?.visit(host.url, {}))?.status).toBe(200)
  await way?.close()
})
