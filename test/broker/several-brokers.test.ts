import { randomBytes, randomUUID } from 'node:crypto'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import type { Revoked } from '../../broker/keys/orders.ts'
import type { KeyOverview } from '../../broker/keys/overview.ts'
import { readOnly } from '../../broker/keys/state-file.ts'
import { LocalEpic } from '../sandbox/local-epic.ts'
import { makeAuthority } from '../support/certificates.ts'
import { folderWith } from '../support/keys.ts'
import {
  BROKER_CLI,
  BROKER_MAIN,
  freePort,
  type Running,
  run,
  start,
} from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import type { Redis } from '../support/redis-server.ts'
import { basic, makeKey } from '../support/world.ts'

/** Seconds. A token is not handed out in its last thirty, so that it is replaced every second. */
const LIFE = 31

interface Fleet {
  folder: string
  redis: Redis
  /** The oldest first. */
  kids: [string, string, string]
  /** The kid of each assertion that the EHR has seen. */
  signed: string[]
  /** One token from each, after the one before has run out; the statuses. */
  askBoth: () => Promise<number[]>
  cli: (name: string, ...args: string[]) => ReturnType<typeof run>
  brokers: { a: Running; b: Running; start: (name: 'a' | 'b') => Promise<void> }
}

/** Two broker processes with one folder of three keys and one store, and an EHR that takes whatever they sign. */
async function fleet(): Promise<Fleet> {
  const redis = await startRedis()
  const authority = await makeAuthority()
  const epic = await new LocalEpic({ tls: await authority.issue(), ca: authority.ca }).start()
  onTestFinished(() => epic.stop())
  const signed: string[] = []
  for (let nth = 0; nth < 1000; nth++)
    epic.faults.push(async request => {
      const assertion = new URLSearchParams(String(request.body)).get('client_assertion') ?? ''
      signed.push(decodeProtectedHeader(assertion).kid ?? '')
      const access_token = `token-${randomUUID()}`
      return { access_token, token_type: 'bearer', expires_in: LIFE, scope: 'system/Patient.read' }
    })
  const folder = folderWith({ 'ca.pem': authority.ca })
  const kids: Fleet['kids'] = [
    makeKey(folder, 'ES384'),
    makeKey(folder, 'ES384'),
    makeKey(folder, 'ES384'),
  ]
  for (const [nth, kid] of kids.entries())
    utimesSync(join(folder, 'private', `${kid}.private.jwk.json`), nth + 1, nth + 1)
  writeFileSync(join(folder, 'secret'), randomBytes(32), { mode: 0o600 })
  const issuers = [await configure('a'), await configure('b')]
  const askBoth = async (): Promise<number[]> => {
    await wait((LIFE - 30) * 1000)
    return Promise.all(issuers.map(ask))
  }
  const cli: Fleet['cli'] = (name, command, ...args) =>
    run(BROKER_CLI, [command ?? '', ...args, '--config', `${name}.yaml`], { cwd: folder })
  const [a, b] = await Promise.all([launch('a'), launch('b')])
  const brokers: Fleet['brokers'] = {
    ...{ a, b },
    start: async name => {
      brokers[name] = await launch(name)
    },
  }
  return { folder, redis, kids, signed, askBoth, cli, brokers }

  async function launch(name: string): Promise<Running> {
    const args = ['--config', `${name}.yaml`]
    const running = await start(BROKER_MAIN, args, /"msg":"ready"/, { cwd: folder })
    onTestFinished(async () => void (await running.stop('SIGKILL')))
    return running
  }

  /** Its issuer. */
  async function configure(name: string): Promise<string> {
    const port = await freePort()
    const issuer = `http://127.0.0.1:${port}`
    const config = parse(firstConfig(SANDBOXES.epic, secretHash('secret'), 'private'))
    Object.assign(config, {
      ...{ issuer, listen: { port }, admin: { socket: `${name}.sock` } },
      ...{ audit: { file: `${name}.ndjson` }, state: name },
      sharedCache: { url: redis.url, secrets: ['secret'] },
    })
    Object.assign(config.upstreams['epic-sandbox'], {
      ...{ tokenEndpoint: epic.tokenUrl, fhirBase: epic.fhirBase, ca: 'ca.pem' },
      ...{ clientId: 'the-client-id-of-our-app', alg: 'ES384' },
    })
    writeFileSync(join(folder, `${name}.yaml`), stringify(config))
    return issuer
  }
}

async function ask(issuer: string): Promise<number> {
  const reply = await fetch(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic('my-service', 'secret') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  await reply.text()
  return reply.status
}

test('what is revoked at one broker no other signs with again, nor one that was dead meanwhile, and without their store they go on', async () => {
  const { folder, redis, kids, signed, askBoth, cli, brokers } = await fleet()
  const [first, second, third] = kids
  expect(await askBoth()).toEqual([200, 200])
  expect(new Set(signed)).toEqual(new Set([first]))

  const list = async (): Promise<KeyOverview['replicas']> =>
    JSON.parse((await cli('a', 'keys', '--json')).stdout).environments[0].replicas
  const poll = { timeout: 20_000, interval: 1000 }
  await expect.poll(async () => (await list()).map(({ is }) => is), poll).toEqual(['here', 'heard'])
  const order = ['--reason', 'laptop stolen', '--json']
  const revoked = await cli('a', 'revoke', first, ...order)
  expect(revoked.code).toBe(0)
  const givenIn = ({ stdout }: { stdout: string }) =>
    (JSON.parse(stdout) as Revoked).replicas.map(({ isGiven }) => isGiven)
  expect(givenIn(revoked)).toEqual([true])
  const before = signed.length
  expect(await askBoth()).toEqual([200, 200])
  expect(new Set(signed.slice(before))).toEqual(new Set([second]))
  const known = readOnly(join(folder, 'b'))('nonprod').load()?.state.revoked ?? {}
  expect(Object.values(known)).toMatchObject([{ reason: 'laptop stolen' }])

  await brokers.b.stop('SIGKILL')
  const unheard = await cli('a', 'revoke', second, ...order)
  expect([unheard.code, givenIn(unheard)]).toEqual([1, [false]])
  const between = signed.length
  await brokers.start('b')
  expect(await askBoth()).toEqual([200, 200])
  const heard = await cli('a', 'revoke', second, ...order)
  expect([heard.code, givenIn(heard)]).toEqual([0, [true]])

  await redis.kill()
  expect(await askBoth()).toEqual([200, 200])
  const untold = await cli('a', 'revoke', first, '--reason', 'laptop stolen')
  expect([untold.code, untold.stdout]).toEqual([1, expect.stringContaining('cannot be told')])

  // It comes again empty, and learns anew what was revoked.
  await redis.start()
  await expect
    .poll(async () => (await list()).map(({ is, lacks }) => [is, lacks]), poll)
    .toEqual([
      ['here', []],
      ['heard', []],
    ])
  expect(new Set(signed.slice(between))).toEqual(new Set([third]))
  expect((await cli('a', 'keys')).stdout).toMatch(/^broker .*: this one\n^broker .*: heard of/m)
  expect((await brokers.b.stop()).code).toBe(0)
})
