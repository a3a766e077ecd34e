import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askDaemon, orderDaemon } from '../../broker/admin-client.ts'
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

test('an order is sent as JSON, and what the broker refuses comes back with all that it knows', async () => {
  const sent: unknown[] = []
  const socket = await daemon(async (request, reply) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    sent.push([
      request.method,
      request.headers['content-type'],
      JSON.parse(`${Buffer.concat(parts)}`),
    ])
    const facts = { kid: 'k', why: 'signing', odd: { nested: true } }
    reply.writeHead(409).end(JSON.stringify({ code: 'key_needed', facts }))
  })
  const order = { kid: 'k' }
  await expect(orderDaemon({ socket, port: null, token: null }, '/x', order)).rejects.toMatchObject(
    {
      ...{ code: 'key_needed', facts: { kid: 'k', why: 'signing' } },
    },
  )
  expect(sent).toEqual([['POST', 'application/json', order]])
})

test('a refusal that is none of ours is a daemon that failed', async () => {
  const socket = await daemon((_, reply) =>
    reply.writeHead(409).end(JSON.stringify({ code: 'toString' })),
  )
  expect(await ask(socket)).toBe('daemon_failed')
})
