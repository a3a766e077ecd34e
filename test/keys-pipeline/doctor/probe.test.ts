import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { gather, type Probe, resolveName } from '../../../keys-pipeline/doctor/probe.ts'

interface Asked {
  url: string
  agent: string | undefined
  origin: string | undefined
}

async function site(): Promise<{ url: string; asked: Asked[]; connections: () => number }> {
  const asked: Asked[] = []
  let connections = 0
  const server = createServer((request, reply) => {
    const { 'user-agent': agent, origin } = request.headers
    asked.push({ url: request.url ?? '', agent, origin })
    if (request.url !== '/silent') reply.end('{}')
  })
  server.on('connection', () => connections++)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://localhost:${port}`, asked, connections: () => connections }
}

const probe = (more: Partial<Probe> = {}): Probe => ({
  ...{ addresses: ['127.0.0.1'], deadline: 5, plainPort: null, resolve: async () => [] },
  ...{ now: () => 7, elapsed: () => 0, wait, buster: () => 'never-before', progress: () => {} },
  ...more,
})

test('the URL is asked as a stranger would, each time over a connection of its own', async () => {
  const { url, asked, connections } = await site()
  const { answers, at } = await gather(new URL(`${url}/set.json?v=1`), probe())
  expect(at).toBe(7)
  expect(answers?.again).toHaveLength(3)
  expect(asked.map(each => each.url)).toEqual([
    ...Array(4).fill('/set.json?v=1'),
    '/set.json?v=1&lockstep=never-before',
    ...Array(2).fill('/set.json?v=1'),
  ])
  expect(asked.filter(each => each.agent === undefined)).toHaveLength(1)
  expect(asked.filter(each => each.origin !== undefined)).toHaveLength(1)
  // One more knocks, to see whether the door is open.
  expect(connections()).toBe(asked.length + 1)
})

test('where there is no answer within the deadline, no second one is waited for', async () => {
  const { url, asked } = await site()
  const { answers } = await gather(new URL(`${url}/silent`), probe({ deadline: 0.1 }))
  expect(answers?.first.failure).toBe('timeout')
  expect(asked).toHaveLength(1)
})

test('addresses that are given are asked in place of those in DNS', async () => {
  const { url } = await site()
  const never = async () => expect.fail('DNS was asked')
  const { names } = await gather(new URL(url), probe({ resolve: never }))
  expect(names).toEqual({ addresses: ['127.0.0.1'], isGiven: true })
})

test('a URL with an address for a host asks no DNS', async () => {
  const { url } = await site()
  const never = async () => expect.fail('DNS was asked')
  const there = new URL(url.replace('localhost', '127.0.0.1'))
  const { names, answers } = await gather(there, probe({ addresses: undefined, resolve: never }))
  expect(names).toEqual({ addresses: ['127.0.0.1'], isGiven: false })
  expect(answers?.first.status).toBe(200)
})

test('a name has the addresses that this machine finds, and one that is not there has none', async () => {
  expect(await resolveName('localhost')).toContain('127.0.0.1')
  expect(await resolveName('there-is-no-such-name.invalid')).toEqual([])
})
