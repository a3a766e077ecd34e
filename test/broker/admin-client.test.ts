import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askDaemon } from '../../broker/admin-client.ts'
import { folderWith } from '../support/keys.ts'

async function daemon(listener: RequestListener): Promise<string> {
  const socket = join(folderWith(), 'a.sock')
  const server = createServer(listener)
  await new Promise<void>(done => server.listen(socket, done))
  onTestFinished(() => void server.close())
  return socket
}
const ask = (socket: string, token: string | null = null): Promise<unknown> =>
  askDaemon({ socket, port: null, token }, '/status').catch(error => error.code)

test('what the daemon says comes back, and the token is shown', async () => {
  const socket = await daemon((request, reply) =>
    reply.end(JSON.stringify({ url: request.url, token: request.headers.authorization })),
  )
  expect(await ask(socket, 'x')).toEqual({ url: '/status', token: 'Bearer x' })
})

describe('what goes wrong is told by its code', () => {
  test.each<[string, RequestListener, string]>([
    ['another token', (_, reply) => reply.writeHead(401).end(), 'operator_refused'],
    ['a bug', (_, reply) => reply.writeHead(500).end(), 'daemon_failed'],
    ['nothing like JSON', (_, reply) => reply.end('hello'), 'daemon_failed'],
    ['a hang-up', request => request.socket.destroy(), 'daemon_unreachable'],
  ])('%s', async (_, listener, code) => {
    expect(await ask(await daemon(listener))).toBe(code)
  })

  test('nobody there', async () => {
    expect(await ask(join(folderWith(), 'none.sock'))).toBe('daemon_unreachable')
  })
})
