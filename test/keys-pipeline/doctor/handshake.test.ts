import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { tryDoor } from '../../../keys-pipeline/doctor/handshake.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { Pages } from '../../support/pages.ts'
import { freePort } from '../../support/processes.ts'

const host = (port: number, more: object = {}) => ({
  ...{ name: 'localhost', port, isName: true, ca: undefined, deadline: 5, wait, ...more },
})

test('a door shows its certificate, whether it is trusted or not', async () => {
  const authority = await makeAuthority()
  const pages = await new Pages(await authority.issue({ names: ['x.example'] }), Date.now).start()
  onTestFinished(() => pages.stop())
  const port = Number(new URL(pages.url).port)
  const stranger = await tryDoor('127.0.0.1', host(port), true)
  const friend = await tryDoor('127.0.0.1', host(port, { ca: authority.ca }), true)
  expect(stranger.tls).toMatchObject({
    ...{ failure: null, mistrust: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', protocol: 'TLSv1.3' },
    certificate: { subject: 'CN=x.example', isForHost: false, namesIssuer: false },
  })
  expect(friend.tls).toMatchObject({ mistrust: null, older: ['TLSv1.2'] })
  const byAddress = host(port, { name: '127.0.0.1', isName: false, ca: authority.ca })
  expect((await tryDoor('127.0.0.1', byAddress, true)).tls?.certificate?.isForHost).toBe(true)
})

test('a door without TLS is tried without', async () => {
  const server = createServer(socket => socket.end())
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  expect(await tryDoor('127.0.0.1', host(port), false)).toEqual({
    ...{ address: '127.0.0.1', reached: 'open', tls: null },
  })
})

test.each([true, false])('a closed door is told, with TLS %s', async isTls => {
  const door = await tryDoor('127.0.0.1', host(await freePort()), isTls)
  expect(door).toMatchObject({ reached: 'closed', tls: null })
})
