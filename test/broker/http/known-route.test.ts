import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { secretHash } from '../../../broker/access/secrets.ts'
import { readConfig } from '../../../broker/config.ts'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import { BrokerError } from '../../../broker/errors.ts'
import { hurl } from '../../support/raw-http.ts'
import {
  basic,
  makeWorld,
  PATIENT,
  SECRET,
  type World,
  type WorldOptions,
} from '../../support/world.ts'

const FORM = 'grant_type=client_credentials'
const TYPE = 'application/x-www-form-urlencoded'
const GRANTS = [{ upstream: 'epic', scopes: [PATIENT] }]

interface Sent {
  authorization?: string
  body?: string
  type?: string
  headers?: Record<string, string>
  path?: string
}

/** A world that listens, its config as an object, and a request that is sent to it. */
async function listening(options: WorldOptions = {}) {
  let file: ConfigFile | undefined
  const world = await makeWorld({
    ...options,
    prepare: async (...given) => {
      await options.prepare?.(...given)
      file = structuredClone(given[0])
    },
  })
  onTestFinished(() => world.close())
  await world.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = world.app.server.address() as AddressInfo
  const send = async (sent: Sent = {}) => {
    const {
      authorization = basic('scheduling', SECRET),
      body = FORM,
      type = TYPE,
      path = '',
    } = sent
    const reply = await fetch(`http://127.0.0.1:${port}/oauth2/token${path}`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': type, authorization, ...sent.headers },
    })
    const json = (await reply.json()) as Record<string, unknown>
    return {
      status: reply.status,
      headers: [...reply.headers].filter(([name]) => name !== 'date'),
      json,
    }
  }
  const change = (edit: (config: ConfigFile) => void): void => {
    if (file === undefined) throw new Error('there is no config')
    edit(file)
    const path = join(world.folder, 'broker.yaml')
    writeFileSync(path, stringify(file))
    world.take(readConfig(path), new Map())
  }
  return { world, port, send, change }
}

const lastOf = async (world: World) => (await world.audit()).at(-1)

describe('a request that is sent again', () => {
  test('is answered as it was before, to the last header, and is a decision of its own', async () => {
    const { world, send } = await listening()
    const first = await send()
    world.clock.advance(60)
    const again = await send()
    expect(again).toEqual({ ...first, json: { ...first.json, expires_in: 3540 } })
    const [one, two] = await world.audit()
    expect(two).toEqual({
      ...one,
      ...{ time: two?.time, request: two?.request },
      granted: { ...one?.granted, source: 'cache', expires_in: 3540 },
    })
    expect(two?.request).not.toBe(one?.request)
    expect(two?.time).not.toBe(one?.time)
  })

  test('gets the next token when the one that is held has run out', async () => {
    const { world, send } = await listening()
    const first = await send()
    world.clock.advance(3600)
    const again = await send()
    expect([again.status, again.json['expires_in'], world.epic.tokenRequests]).toEqual([
      200, 3600, 2,
    ])
    expect(again.json['access_token']).not.toBe(first.json['access_token'])
  })

  test('counts against the rate of its service like any other', async () => {
    const { world, send } = await listening({
      services: {
        scheduling: {
          secretSha256: [secretHash(SECRET)],
          ...{ grants: GRANTS, rateLimit: { perMinute: 6, burst: 2 } },
        },
      },
    })
    const replies = [await send(), await send(), await send()]
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(replies[2]?.headers).toContainEqual(['retry-after', '10'])
    expect(replies[2]?.json).toMatchObject({ code: 'rate_limited' })
    expect(await lastOf(world)).toMatchObject({ service: 'scheduling', code: 'rate_limited' })
  })

  test('gets no token where it cannot be recorded', async () => {
    let isFull = false
    const { send } = await listening({
      audit: {
        record: async () => {
          if (isFull) throw new BrokerError('audit_failed', { reason: 'ENOSPC' })
        },
        close: async () => {},
      },
    })
    await send()
    isFull = true
    const { status, json } = await send()
    expect([status, json['code'], json['access_token']]).toEqual([503, 'audit_failed', undefined])
  })

  test('is refused as soon as its secret is withdrawn', async () => {
    const { send, change } = await listening()
    await send()
    change(({ services }) => {
      services['scheduling'] = { secretSha256: [secretHash('another')], grants: GRANTS }
    })
    const { status, json } = await send()
    expect([status, json['code']]).toEqual([401, 'client_refused'])
  })
})

describe('what is not the same to the last byte is read', () => {
  const AGAIN: Record<string, [Sent, number, string]> = {
    'another secret': [
      { authorization: basic('scheduling', 'another') },
      ...([401, 'client_refused'] as const),
    ],
    'another service': [{ authorization: basic('billing', SECRET) }, 401, 'client_refused'],
    'a secret in the body as well': [
      { body: `${FORM}&client_id=scheduling&client_secret=${SECRET}` },
      ...([400, 'auth_methods_several'] as const),
    ],
    'another upstream': [{ body: `${FORM}&audience=other` }, 400, 'target_refused'],
    'another grant type': [{ body: 'grant_type=password' }, 400, 'grant_type_unsupported'],
    'another media type': [{ type: 'application/json' }, 400, 'content_type_wrong'],
    'a query': [{ path: '?a=b' }, 400, 'query_not_allowed'],
    'a body beyond all measure': [
      { body: `${FORM}&${'x'.repeat(33_000)}` },
      ...([413, 'body_too_large'] as const),
    ],
  }

  test.each(Object.entries(AGAIN))('%s', async (_, [sent, status, code]) => {
    const { send, world } = await listening()
    expect((await send()).status).toBe(200)
    const again = await send(sent)
    expect([again.status, again.json['code']]).toEqual([status, code])
    expect(again.json['access_token']).toBeUndefined()
    expect((await world.audit()).map(({ decision }) => decision)).toEqual(['granted', 'refused'])
  })
})

describe('however it comes', () => {
  const request = (...more: string[]): string =>
    [
      ...['POST /oauth2/token HTTP/1.1', 'host: x', `content-type: ${TYPE}`],
      ...[`content-length: ${FORM.length}`, `authorization: ${basic('scheduling', SECRET)}`],
      ...[...more, '', FORM],
    ].join('\r\n')
  const over = async (port: number, text: string, due = 1) => {
    const hurled = { bytes: Buffer.from(text), due, most: due, isHead: false }
    return (await hurl(port, '127.0.0.1', { ...hurled, until: 'reply' })).replies
  }

  test('a second Authorization header is refused', async () => {
    const { port } = await listening()
    const replies = [
      await over(port, request()),
      await over(port, request(`authorization: ${basic('billing', 'x')}`)),
    ].flat()
    expect(replies.map(({ status }) => status)).toEqual([200, 400])
    expect(JSON.parse(replies[1]?.body ?? '').code).toBe('auth_methods_several')
  })

  test('an empty Authorization header is not none', async () => {
    const { port } = await listening()
    const body = `${FORM}&client_id=scheduling&client_secret=${SECRET}`
    const ask = (...lines: string[]) =>
      over(
        port,
        ['POST /oauth2/token HTTP/1.1', 'host: x', `content-type: ${TYPE}`, ...lines]
          .concat(`content-length: ${body.length}`, '', body)
          .join('\r\n'),
      )
    const replies = [...(await ask()), ...(await ask()), ...(await ask('authorization: '))]
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 400])
  })

  test('several on one connection are each answered, in their order', async () => {
    const { port, world } = await listening()
    await over(port, request())
    const replies = await over(port, [request(), request(), request()].join(''), 3)
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    expect((await world.audit()).length).toBe(4)
  })

  test('one that never comes whole is no decision', async () => {
    const { port, world } = await listening()
    await over(port, request())
    const bytes = Buffer.from(request().slice(0, -5))
    await hurl(port, '127.0.0.1', { bytes, due: 1, most: 0, isHead: false, until: 'reset' })
    await over(port, request())
    expect((await world.audit()).length).toBe(2)
  })

  test('behind a proxy the record says from where it came, each time', async () => {
    const { send, world } = await listening({
      prepare: async file => {
        file.listen = { ...file.listen, behindProxy: true, trustedProxies: ['127.0.0.1'] }
      },
    })
    for (const from of ['192.0.2.1', '192.0.2.2'])
      await send({ headers: { 'x-forwarded-for': from } })
    expect((await world.audit()).map(({ address }) => address)).toEqual(['192.0.2.1', '192.0.2.2'])
  })
})
