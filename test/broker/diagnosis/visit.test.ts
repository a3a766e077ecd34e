import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { visitWith } from '../../../broker/diagnosis/visit.ts'
import { makeAuthority } from '../../support/certificates.ts'

test('a look brings its headers, trusts the authority it is given and no other, and follows nothing', async () => {
  const authority = await makeAuthority()
  const seen: unknown[] = []
  const server = createServer(await authority.issue(), (request, reply) => {
    seen.push(request.headers['epic-client-id'])
    reply.writeHead(302, { location: '/elsewhere' }).end()
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}/`
  const visit = visitWith(() => 0)
  const headers = { 'epic-client-id': 'ours' }
  expect(await visit(url, headers, authority.ca)).toMatchObject({ failure: null, status: 302 })
  expect(await visit(url, headers, null)).toMatchObject({ failure: 'tls' })
  expect(seen).toEqual(['ours'])
})
