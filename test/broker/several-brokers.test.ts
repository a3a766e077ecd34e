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
import { type Redis, startRedis } from '../support/redis.ts'
import { basic, makeKey } from '../support/world.ts'

/** Seconds. A token is not handed out in its last thirty, so that it is replaced every other second. */
const LIFE = 32

interface Fleet {
  folder: string
  redis: Redis
  /** Older first. */
  kids: [string, string]
  /** The kid of each assertion that the EHR has seen. */
  signed: string[]
  /** One token from each, after the one before has run out; the statuses. */
  askBoth: () => Promise<number[]>
  cli: (name: string, ...args: string[]) => ReturnType<typeof run>
  brokers: Running[]
}

/** Two broker processes with one folder of two keys and one store, and an EHR that takes whatever they sign. */
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
  const old = makeKey(folder, 'ES384')
  utimesSync(join(folder, 'private', `${old}.private.jwk.json`), 1, 1)
  const kids: Fleet['kids'] = [old, makeKey(folder, 'ES384')]
  writeFileSync(join(folder, 'secret'), randomBytes(32), { mode: 0o600 })
  const both = await Promise.all(['a', 'b'].map(name => broker(name, { folder, epic, redis })))
  const askBoth = async (): Promise<number[]> => {
    await wait((LIFE - 30) * 1000)
    return Promise.all(both.map(({ issuer }) => ask(issuer)))
  }
  const cli: Fleet['cli'] = (name, command, ...args) =>
    run(BROKER_CLI, [command ?? '', ...args, '--config', `${name}.yaml`], { cwd: folder })
  const brokers = both.map(({ running }) => running)
  return { folder, redis, kids, signed, askBoth, cli, brokers }
}

async function broker(
  name: string,
  { folder, epic, redis }: { folder: string; epic: LocalEpic; redis: Redis },
): Promise<{ issuer: string; running: Running }> {
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
  const args = ['--config', `${name}.yaml`]
  const running = await start(BROKER_MAIN, args, /"msg":"ready"/, { cwd: folder })
  onTestFinished(async () => void (await running.stop('SIGKILL')))
  return { issuer, running }
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

test('what is revoked at one broker no other signs with again, and without their store they go on', async () => {
  const { folder, redis, kids, signed, askBoth, cli, brokers } = await fleet()
  const [old, next] = kids
  expect(await askBoth()).toEqual([200, 200])
  expect(new Set(signed)).toEqual(new Set([old]))

  const revoked = await cli('a', 'revoke', old, '--reason', 'laptop stolen', '--json')
  expect(revoked.code).toBe(0)
  const { replicas }: Revoked = JSON.parse(revoked.stdout)
  expect(replicas).toMatchObject([{ isGiven: true }])
  const before = signed.length
  for (let count = 0; count < 2; count++) expect(await askBoth()).toEqual([200, 200])
  expect(new Set(signed.slice(before))).toEqual(new Set([next]))
  const known = readOnly(join(folder, 'b'))('nonprod').load()?.state.revoked ?? {}
  expect(Object.values(known)).toMatchObject([{ reason: 'laptop stolen' }])
  const shown = await cli('b', 'keys')
  expect(shown.stdout).toMatch(/^broker .*: this one/m)

  await redis.kill()
  for (let count = 0; count < 2; count++) expect(await askBoth()).toEqual([200, 200])
  for (const each of brokers)
    await expect.poll(each.output, { timeout: 15_000 }).toContain('"alarm":"store_away"')
  const unheard = await cli('a', 'revoke', old, '--reason', 'laptop stolen')
  expect([unheard.code, unheard.stdout]).toEqual([1, expect.stringContaining('cannot be told')])

  // It comes again empty, and learns anew what was revoked.
  await redis.start()
  const list = async (): Promise<KeyOverview['replicas']> =>
    JSON.parse((await cli('a', 'keys', '--json')).stdout).environments[0].replicas
  await expect
    .poll(async () => (await list()).map(({ is, lacks }) => [is, lacks]), {
      timeout: 20_000,
      interval: 1000,
    })
    .toEqual([
      ['here', []],
      ['heard', []],
    ])
  expect(new Set(signed.slice(before))).toEqual(new Set([next]))
  expect((await brokers[1]?.stop())?.code).toBe(0)
  await expect
    .poll(async () => (await list()).map(({ is }) => is), { timeout: 20_000, interval: 1000 })
    .toEqual(['here', 'left'])
})
