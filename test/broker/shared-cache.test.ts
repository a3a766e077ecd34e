import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from 'redis'
import { expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { LocalEpic } from '../sandbox/local-epic.ts'
import { makeAuthority } from '../support/certificates.ts'
import { folderWith } from '../support/keys.ts'
import { BROKER_MAIN, freePort, type Running, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { basic, makeKey } from '../support/world.ts'

const CLIENT_ID = 'the-client-id-of-our-app'

interface Answer {
  status: number
  token: string
}

interface Fleet {
  epic: LocalEpic
  folder: string
  /** Every broker once, at the same moment. */
  askAll: () => Promise<Answer[]>
  /** All that each broker has logged. */
  logs: () => string[]
}

/** Seconds. A token is not handed out in its last thirty, so that it is replaced every other second. */
const LIFE = 32

/** An EHR that takes a while to issue a token, and broker processes in front of it. */
async function fleet(redisUrl: string, names = ['a', 'b', 'c']): Promise<Fleet> {
  const authority = await makeAuthority()
  const epic = await new LocalEpic({ tls: await authority.issue(), ca: authority.ca }).start()
  onTestFinished(() => epic.stop())
  for (let at = 0; at < 1000; at++) {
    epic.faults.push(async () => {
      await wait(200)
      return {
        access_token: `token-${randomUUID()}`,
        token_type: 'bearer',
        expires_in: LIFE,
        scope: 'system/Patient.read',
      }
    })
  }
  const folder = folderWith({ 'ca.pem': authority.ca })
  makeKey(folder, 'ES384')
  writeFileSync(join(folder, 'secret'), randomBytes(32), { mode: 0o600 })
  const brokers = await Promise.all(
    names.map(name => startBroker(name, { folder, epic, redisUrl })),
  )
  const askAll = () => Promise.all(brokers.map(each => ask(each.issuer)))
  return { epic, folder, askAll, logs: () => brokers.map(each => each.running.output()) }
}

async function startBroker(
  name: string,
  { folder, epic, redisUrl }: { folder: string; epic: LocalEpic; redisUrl: string },
): Promise<{ issuer: string; running: Running }> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const config = parse(firstConfig(SANDBOXES.epic, secretHash('secret'), 'private'))
  Object.assign(config, {
    issuer,
    listen: { port },
    admin: { socket: `${name}.sock` },
    audit: { file: `${name}.ndjson` },
    sharedCache: { url: redisUrl, secrets: ['secret'] },
  })
  Object.assign(config.upstreams['epic-sandbox'], {
    ...{ tokenEndpoint: epic.tokenUrl, fhirBase: epic.fhirBase },
    ...{ ca: 'ca.pem', clientId: CLIENT_ID, alg: 'ES384' },
  })
  writeFileSync(join(folder, `${name}.yaml`), stringify(config))
  const running = await start(BROKER_MAIN, ['--config', `${name}.yaml`], /"msg":"ready"/, {
    cwd: folder,
  })
  onTestFinished(async () => void (await running.stop()))
  return { issuer, running }
}

async function ask(issuer: string): Promise<Answer> {
  const reply = await fetch(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic('my-service', 'secret') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const { access_token: token } = (await reply.json()) as { access_token: string }
  return { status: reply.status, token }
}

/** Asks all of them again and again for so many milliseconds; answers with every answer. */
async function askFor(milliseconds: number, { askAll }: Fleet): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const began = performance.now(); performance.now() - began < milliseconds; ) {
    answers.push(...(await askAll()))
    await wait(10)
  }
  return answers
}

const tokensOf = (answers: Answer[]): Set<string> => new Set(answers.map(each => each.token))
const failures = (answers: Answer[]): Answer[] => answers.filter(each => each.status !== 200)

test('three brokers make one call to the EHR in the life of a token, and the store holds nothing in clear', async () => {
  const redis = await startRedis()
  const all = await fleet(redis.url)
  const began = performance.now()
  const answers = await askFor(4_500, all)
  const seconds = (performance.now() - began) / 1000
  expect(failures(answers)).toEqual([])
  const tokens = tokensOf(answers)
  expect(tokens.size).toBeGreaterThan(1)
  // On a loaded machine an answer of the store may come too late, which is logged, and then that broker calls for itself.
  const late =
    all
      .logs()
      .join('')
      .match(/shared cache is away/g)?.length ?? 0
  expect(all.epic.tokenRequests).toBeLessThanOrEqual(1 + seconds / (LIFE - 30) + late)

  const held = await dump(redis.url)
  expect(held).toContain('lockstep:')
  for (const mark of [...tokens, CLIENT_ID, 'system/Patient.read'])
    for (const encoding of ['utf8', 'base64url', 'hex'] as const)
      expect(held).not.toContain(Buffer.from(mark).toString(encoding).slice(0, -2))
})

/** Every key and every value. */
async function dump(url: string): Promise<string> {
  const client = await createClient({ url }).connect()
  const keys = await client.keys('*')
  const values = await Promise.all(keys.map(key => client.get(key)))
  client.destroy()
  return JSON.stringify([keys, values])
}

test('killed and started again under load, the store costs nobody a token', async () => {
  const redis = await startRedis()
  const all = await fleet(redis.url)
  const load = askFor(5_500, all)
  await wait(800)
  await redis.kill()
  const before = all.epic.tokenRequests
  await wait(2_200)
  expect(all.epic.tokenRequests).toBeGreaterThan(before)
  await redis.start()
  const answers = await load
  expect(answers.length).toBeGreaterThan(100)
  expect(failures(answers)).toEqual([])
  for (const log of all.logs()) expect(log).toMatch(/shared cache is away.*shared cache is back/s)
})

test('a store that accepts connections and answers nothing is no reason to wait', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { askAll } = await fleet(`redis://127.0.0.1:${port}`, ['a'])
  const began = performance.now()
  expect(failures(await askAll())).toEqual([])
  expect(performance.now() - began).toBeLessThan(2_000)
})
