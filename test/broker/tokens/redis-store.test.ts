import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openRedis, type RedisStore } from '../../../broker/tokens/redis-store.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { startRedis } from '../../support/redis.ts'

interface Options {
  ca?: string
  /** A loaded machine may be late: only where the deadline of a command is what is tested does it have its length. */
  isPunctual?: boolean
}

/** A store, and what it told: `away: REASON` and `back`. */
function open(
  url: string,
  { ca, isPunctual = false }: Options = {},
): { store: RedisStore; told: string[] } {
  const told: string[] = []
  const store = openRedis(
    { url, ca: ca ?? null, prefix: 'test:' },
    {
      wait: milliseconds => wait(milliseconds < 100 && !isPunctual ? 5_000 : milliseconds),
      onAway: reason => void told.push(`away: ${reason}`),
      onBack: () => void told.push('back'),
    },
  )
  onTestFinished(() => store.close())
  return { store, told }
}

/** Milliseconds that the work took, however it ended. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work().catch(() => {})
  return performance.now() - began
}

/** What a loaded machine may add to a deadline of 50 ms. */
const SOON = 500

test('a value is found until its life is over', async () => {
  const { store } = open((await startRedis()).url)
  await store.opened
  expect(await store.get('key')).toBeNull()
  await store.put('key', 'value', 200)
  const found = await store.get('key')
  expect(found?.value).toBe('value')
  expect(found?.left).toBeGreaterThan(0)
  expect(found?.left).toBeLessThanOrEqual(200)
  await expect.poll(() => store.get('key')).toBeNull()
})

test('a value is replaced where it is the one that was read, and no other is', async () => {
  const { store } = open((await startRedis()).url)
  await store.opened
  expect(await store.replace('key', null, 'one', 5_000)).toBe(true)
  expect(await store.replace('key', null, 'late', 5_000)).toBe(false)
  expect(await store.replace('key', 'one', 'two', 5_000)).toBe(true)
  expect(await store.replace('key', 'one', 'late', 5_000)).toBe(false)
  expect(await store.get('key')).toMatchObject({ value: 'two', left: expect.any(Number) })
})

test('of more commands at once than it takes each is refused whole, and what follows is not part of any', async () => {
  const { store } = open((await startRedis()).url)
  await store.opened
  await store.put('key', 'value', 60_000)
  const looks = Array.from({ length: 2_500 }, () =>
    store.get('key').then(
      found => found?.value,
      error => error.code,
    ),
  )
  const found = Map.groupBy(await Promise.all(looks), each => each)
  expect([found.get('value')?.length, found.get('BUSY')?.length]).toEqual([2_000, 500])
  expect(await store.lock('key', 'owner', 10_000)).toBe(true)
  expect(await store.get('key')).toMatchObject({ value: 'value' })
})

describe('a lock', () => {
  test('has one owner, and no other lets go of it', async () => {
    const { url } = await startRedis()
    const [one, other] = [open(url).store, open(url).store]
    await Promise.all([one.opened, other.opened])
    expect(await one.lock('key', 'one', 10_000)).toBe(true)
    expect(await other.lock('key', 'other', 10_000)).toBe(false)
    await other.unlock('key', 'other')
    expect(await other.lock('key', 'other', 10_000)).toBe(false)
    await one.unlock('key', 'one')
    expect(await other.lock('key', 'other', 10_000)).toBe(true)
  })

  test('ends by itself, and its late owner does not take away the next one’s', async () => {
    const { store } = open((await startRedis()).url)
    await store.opened
    await store.lock('key', 'late', 50)
    await expect.poll(() => store.lock('key', 'next', 10_000)).toBe(true)
    await store.unlock('key', 'late')
    expect(await store.lock('key', 'third', 10_000)).toBe(false)
  })
})

describe('while the store is away', () => {
  test('a command is refused and never made up for, and both turns are told once', async () => {
    const redis = await startRedis()
    const { store, told } = open(redis.url)
    await store.opened
    await redis.kill()
    await expect.poll(() => told).toHaveLength(1)
    for (let at = 0; at < 5; at++)
      expect(await timed(() => store.put('key', 'late', 60_000))).toBeLessThan(SOON)
    // At once, and not when the deadline passes.
    await expect(store.get('key')).rejects.not.toMatchObject({ code: 'TIMEOUT' })
    expect(told).toHaveLength(1)
    await redis.start()
    await expect.poll(() => store.get('key').catch(() => 'away'), { timeout: 5_000 }).toBeNull()
    expect(told).toEqual([expect.stringMatching(/^away: /), 'back'])
  })

  test('a broker that starts does not wait for it for long', async () => {
    const redis = await startRedis()
    await redis.kill()
    const { store, told } = open(redis.url)
    expect(await timed(() => store.opened)).toBeLessThan(1_000 + SOON)
    expect(told).toEqual(['away: ECONNREFUSED'])
  })
})

test('one that freezes costs a command’s deadline each time, and is used again when it thaws', async () => {
  const redis = await startRedis()
  const { store, told } = open(redis.url, { isPunctual: true })
  await store.opened
  redis.freeze()
  for (let at = 0; at < 3; at++) expect(await timed(() => store.get('key'))).toBeLessThan(SOON)
  await expect(store.get('key')).rejects.toThrow()
  expect(told).toEqual(['away: TIMEOUT'])
  redis.thaw()
  await expect
    .poll(() =>
      store.put('key', 'value', 10_000).then(
        () => store.get('key').then(found => found?.value),
        () => 'away',
      ),
    )
    .toBe('value')
  expect(told.at(-1)).toBe('back')
})

test('a connection that has died without a word is given up, and another one made', async () => {
  const redis = await startRedis()
  const path = await pathTo(redis.port)
  const { store } = open(`redis://127.0.0.1:${path.port}`, { isPunctual: true })
  await store.opened
  const { store: near } = open(redis.url)
  await near.opened
  await near.put('key', 'value', 60_000)
  path.lose()
  await expect
    .poll(
      () =>
        store.get('key').then(
          found => found?.value,
          () => 'away',
        ),
      { timeout: 5_000, interval: 1 },
    )
    .toBe('value')
})

test('a connection on which one of many commands was answered is kept, though the others are late', async () => {
  const redis = await startRedis()
  const path = await pathTo(redis.port)
  const deadlines: (() => void)[] = []
  const store = openRedis(
    { url: `redis://127.0.0.1:${path.port}`, ca: null, prefix: 'test:' },
    {
      wait: milliseconds =>
        milliseconds > 0 && milliseconds < 100
          ? new Promise(done => deadlines.push(done))
          : wait(milliseconds),
      ...{ onAway: () => {}, onBack: () => {} },
    },
  )
  onTestFinished(() => store.close())
  await store.opened
  path.passOnly('+OK\r\n'.length)
  const put = store.put('key', 'value', 60_000)
  const looks = Array.from({ length: 12 }, () => store.get('key').catch(({ code }) => code))
  await put
  for (const pass of deadlines) pass()
  expect(new Set(await Promise.all(looks))).toEqual(new Set(['TIMEOUT']))
  path.passAll()
  expect(await store.get('key')).toMatchObject({ value: 'value' })
  expect(path.count()).toBe(1)
})

interface Path {
  port: number
  /** The connections of the moment are lost without either end being told. */
  lose: () => void
  /** Of what the far end says, so many bytes come through, and the rest with `passAll`. */
  passOnly: (bytes: number) => void
  passAll: () => void
  /** Connections that were made. */
  count: () => number
}

async function pathTo(port: number): Promise<Path> {
  const ends: Socket[] = []
  const held: { left: number; rest: (() => void)[] } = { left: Number.POSITIVE_INFINITY, rest: [] }
  let count = 0
  const server = createServer(near => {
    count++
    const far = connect(port, '127.0.0.1')
    for (const end of [near, far]) end.on('error', () => {})
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      const now = chunk.subarray(0, Math.min(held.left, chunk.length))
      held.left -= now.length
      if (now.length > 0) near.write(now)
      if (now.length < chunk.length) held.rest.push(() => near.write(chunk.subarray(now.length)))
    })
    ends.push(near, far)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const end of ends) end.destroy()
    server.close()
  })
  const lose = (): void => {
    for (const end of ends.splice(0)) {
      end.unpipe()
      end.removeAllListeners('data')
      end.pause()
      onTestFinished(() => void end.destroy())
    }
  }
  return {
    ...{ port: (server.address() as AddressInfo).port, lose, count: () => count },
    passOnly: bytes => {
      held.left = bytes
    },
    passAll: () => {
      held.left = Number.POSITIVE_INFINITY
      for (const pass of held.rest.splice(0)) pass()
    },
  }
}

test('a server that accepts and never answers is away, whatever is asked', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { store } = open(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    isPunctual: true,
  })
  await store.opened
  for (const ask of [
    () => store.get('key'),
    () => store.put('key', 'value', 1_000),
    () => store.lock('key', 'owner', 1_000),
    () => store.unlock('key', 'owner'),
  ]) {
    expect(await timed(ask)).toBeLessThan(SOON)
    await expect(ask()).rejects.toThrow()
  }
})

test('one that takes no values is away until it does', async () => {
  const redis = await startRedis({ args: ['--min-replicas-to-write', '1'] })
  const { store, told } = open(redis.url)
  await store.opened
  await expect(store.put('key', 'value', 1_000)).rejects.toThrow()
  await store.get('key')
  expect(told).toEqual(['away: NOREPLICAS'])
})

test('a wrong password is told without the password', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'the-password'] })
  const right = open(redis.url.replace('//', '//:the-password@'))
  const wrong = open(redis.url.replace('//', '//:another-password@'))
  await Promise.all([right.store.opened, wrong.store.opened])
  expect(await right.store.get('key')).toBeNull()
  expect([right.told, wrong.told]).toEqual([[], ['away: WRONGPASS']])
})

test('it needs no more commands and keys than the manual says', async () => {
  const commands = [
    ...['get', 'pttl', 'set', 'del', 'multi', 'exec', 'evalsha', 'eval', 'ping'],
  ].map(name => `+${name}`)
  const user = ['--user', 'broker', 'on', '>password', '~test:*', 'resetchannels', '-@all']
  const redis = await startRedis({ args: [...user, ...commands] })
  const { store, told } = open(redis.url.replace('//', '//broker:password@'))
  await store.opened
  await store.lock('key', 'owner', 10_000)
  await store.put('key', 'value', 10_000)
  await store.replace('sheet', null, 'value', 10_000)
  await store.unlock('key', 'owner')
  expect(await store.lock('key', 'another', 10_000)).toBe(true)
  expect([(await store.get('key'))?.value, told]).toEqual(['value', []])
})

test('over TLS the server must have a certificate of the authority that is trusted', async () => {
  const [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()])
  const redis = await startRedis({ tls: await authority.issue() })
  const trusting = open(redis.url, { ca: authority.ca })
  const wary = open(redis.url, { ca: stranger.ca })
  await Promise.all([trusting.store.opened, wary.store.opened])
  expect(await trusting.store.get('key')).toBeNull()
  await expect(wary.store.get('key')).rejects.toThrow()
  expect([trusting.told, wary.told.length]).toEqual([[], 1])
})
