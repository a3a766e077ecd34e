import { join } from 'node:path'
import { Agent, fetch as send } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import { haproxy } from '../../support/servers.ts'
import { basic, makeWorld, SECRET, type World } from '../../support/world.ts'

/** A broker on a socket, with these settings of its listener. */
async function onSocket(more: Partial<ConfigFile['listen']> = {}): Promise<World> {
  const world = await makeWorld({
    prepare: async file => {
      file.listen = { socket: 'services.sock', ...more }
    },
  })
  await world.app.listen({ path: join(world.folder, 'services.sock') })
  return world
}

/** What the audit says from where a request came, sent over the socket with that X-Forwarded-For. */
async function addressAt(world: World, forwarded: string | null): Promise<string | undefined> {
  const agent = new Agent({ connect: { socketPath: join(world.folder, 'services.sock') } })
  const { status } = await send('http://localhost/oauth2/token', {
    ...{ method: 'POST', dispatcher: agent },
    headers: {
      authorization: basic('scheduling', SECRET),
      'content-type': 'application/x-www-form-urlencoded',
      ...(forwarded !== null && { 'x-forwarded-for': forwarded }),
    },
    body: 'grant_type=client_credentials',
  })
  await agent.close()
  expect(status).toBe(200)
  return (await world.audit()).at(-1)?.address
}

/** As `onSocket`, until the test ends. */
async function fresh(more: Partial<ConfigFile['listen']> = {}): Promise<World> {
  const world = await onSocket(more)
  onTestFinished(() => world.close())
  return world
}

describe('at a socket', () => {
  let world: World
  beforeAll(async () => {
    world = await onSocket({ behindProxy: true, trustedProxies: ['10.0.0.0/8', 'fd00::5'] })
  })
  afterAll(() => world.close())

  test('nobody has an address, whatever is said', async () => {
    const world = await fresh()
    expect(await addressAt(world, null)).toBe('unix')
    expect(await addressAt(world, '192.0.2.1')).toBe('unix')
  })

  test.each([
    [null, 'unix'],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['198.51.100.9, 192.0.2.1', '192.0.2.1'],
    ['192.0.2.1, 10.1.2.3', '192.0.2.1'],
    ['192.0.2.1, ::ffff:10.1.2.3', '192.0.2.1'],
    ['192.0.2.1, fd00::5', '192.0.2.1'],
    ['192.0.2.1, fd00::6', 'fd00::6'],
    ['192.0.2.1, not an address', 'unix'],
    ['not an address, 10.1.2.3', 'unix'],
    [`${'x'.repeat(2000)}`, 'unix'],
  ])('a proxy that says %j is believed as far as it is trusted', async (forwarded, address) => {
    expect(await addressAt(world, forwarded)).toBe(address)
  })

  test('a proxy that somebody else wrote names the caller', async () => {
    const world = await fresh({ behindProxy: true })
    const proxy = await haproxy(
      '  option forwardfor\n  default_backend broker',
      `backend broker\n  server one ${join(world.folder, 'services.sock')}`,
      {},
      '',
    )
    await send(`http://127.0.0.1:${proxy.port}/oauth2/token`, {
      method: 'POST',
      headers: { 'x-forwarded-for': '192.0.2.9' },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect((await world.audit()).at(-1)).toMatchObject({
      ...{ address: '127.0.0.1', code: 'credentials_missing' },
    })
  })

  test('a wrong secret is slowed down by the id that is claimed, and a right one never', async () => {
    const world = await fresh()
    const waited = async (secret: string): Promise<number> => {
      const before = world.clock.now()
      await world.ask({}, basic('scheduling', secret))
      return world.clock.now() - before
    }
    for (let times = 0; times < 3; times++) expect(await waited('wrong')).toBe(0)
    expect(await waited('wrong')).toBeGreaterThan(0)
    expect(await waited(SECRET)).toBe(0)
  })
})
