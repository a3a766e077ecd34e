import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Pool } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { AuditRecord } from '../../broker/audit.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { say } from '../support/console.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { basic, SECRET } from '../support/world.ts'

/** A hundred; a thousand in a long run. A third of them are bad, and a fiftieth comes without a signal. */
const CHANGES = fc.readConfigureGlobal().numRuns ?? 100
const CONNECTIONS = 4
/** Milliseconds: the broker looks whether a file changed at every fifth second of the clock. */
const LOOK = 5000

/** Milliseconds that the EHR takes, so that requests are under way while a generation ends. */
const DELAY = 50

/** By which an answer tells under which config it was given: each has a client ID of its own, with one scope. */
const mark = (at: number): string => `system/Observation.rs?category=${at}`

/** Text of a config that would be good but for one thing. */
type Spoil = (file: ConfigFile) => string
const edited =
  (edit: (file: ConfigFile) => void): Spoil =>
  file => {
    edit(file)
    return stringify(file)
  }
const epicOf = ({ upstreams }: ConfigFile) => upstreams['epic'] ?? {}

const SPOILS: Spoil[] = [
  edited(file => Object.assign(file, { colour: 'red' })),
  edited(file => Object.assign(file, { issuer: 'https://other.example.com' })),
  edited(file => Object.assign(file.listen, { port: 1 })),
  edited(file => Object.assign(file.audit, { file: 'other.ndjson' })),
  edited(file => Object.assign(file, { keys: { nonprod: { folder: 'empty' } } })),
  edited(file => Object.assign(file.keys.nonprod ?? {}, { guard: 0 })),
  edited(file => Object.assign(epicOf(file), { ca: 'nowhere.pem' })),
  edited(file => Object.assign(epicOf(file), { alg: 'RS384' })),
  edited(file => Object.assign(epicOf(file), { tokenEndpoint: 'http://ehr.example.com/token' })),
  edited(file => file.services['scheduling']?.grants.push({ upstream: 'nobody', scopes: ['a'] })),
  edited(file => Object.assign(file.services, { x: { secretSha256: ['0'], grants: [] } })),
  file => stringify(file).slice(0, -40),
  file => `${stringify(file)}issuer: http://127.0.0.1:1\n`,
  file => `${stringify(file)}]: [\n`,
  () => '',
]

interface Change {
  /** Null where it is good. */
  spoil: Spoil | null
  /** No signal tells the broker of it. */
  isAlone: boolean
}

/** In an order that hangs on the seed, but for those that are left alone: they wait for the end of a look's interval. */
function* changes(): Generator<Change> {
  const all = Array.from({ length: CHANGES }, (_, index) => ({
    spoil: index % 3 === 0 ? (SPOILS[(index / 3) % SPOILS.length] ?? null) : null,
    isAlone: index % 100 < 2,
  }))
  const [shuffled = []] = fc.sample(fc.shuffledSubarray(all, { minLength: CHANGES }), 1)
  const { alone = [], signalled = [] } = Object.groupBy(shuffled, ({ isAlone }) =>
    isAlone ? 'alone' : 'signalled',
  )
  while (alone.length + signalled.length > 0) {
    const isLookNear = Date.now() % LOOK > 0.9 * LOOK
    const preferred = isLookNear ? alone : signalled
    const change = preferred.shift() ?? alone.shift() ?? signalled.shift()
    if (change) yield change
  }
}

interface Answer {
  status: number
  mark: string
  /** The change that was known to be taken before it was asked for, and the last that was made before it came. */
  between: [number, number]
}

/** Asks over connections that are kept, one request after the other on each, until it is stopped. */
function handOuts({ issuer }: Daemon, state: { taken: number; made: number }) {
  const pool = new Pool(issuer, { connections: CONNECTIONS, pipelining: 1 })
  const answers: Answer[] = []
  const faults: string[] = []
  let [connects, goesOn] = [0, true]
  pool.on('connect', () => void connects++)
  const ask = async (): Promise<void> => {
    const { taken } = state
    const { statusCode, body } = await pool.request({
      ...{ method: 'POST', path: '/oauth2/token', body: 'grant_type=client_credentials' },
      headers: {
        authorization: basic('scheduling', SECRET),
        'content-type': 'application/x-www-form-urlencoded',
      },
    })
    const reply = (await body.json()) as { scope?: string; code?: string }
    const shown = reply.scope ?? reply.code ?? ''
    answers.push({ status: statusCode, mark: shown, between: [taken, state.made] })
  }
  const workers = Array.from({ length: CONNECTIONS }, async () => {
    while (goesOn) await ask().catch(error => faults.push(String(error)))
  })
  return {
    ...{ answers, faults, connects: () => connects },
    stop: async () => {
      goesOn = false
      await Promise.all(workers)
      await pool.close()
    },
  }
}

test('of a hundred changes while tokens are handed out, the good ones are taken, the bad ones never, and no request fails', {
  timeout: 600_000,
}, async () => {
  const daemon = await startDaemon(
    (file, folder) => {
      mkdirSync(join(folder, 'empty'), { mode: 0o700 })
      renamed(file, 0)
    },
    { delay: DELAY },
  )
  onTestFinished(() => daemon.close())
  const { folder, epic, jwksUrl, process } = daemon
  for (let at = 0; at <= CHANGES; at++) {
    const app = { clientId: `app-${at}`, environment: 'nonprod' as const, jwksUrl }
    await epic.register({ ...app, scopes: [mark(at)] })
  }
  const path = join(folder, 'broker.yaml')
  const base = readFileSync(path, 'utf8')
  const good = new Map([[hash('sha256', base), 0]])
  const state = { taken: 0, made: 0 }
  const going = handOuts(daemon, state)
  let [at, kept] = [0, 0]
  for (const { spoil, isAlone } of changes()) {
    daemon.sync()
    at++
    const file = renamed(parse(base) as ConfigFile, at)
    const text = spoil?.(file) ?? stringify(file)
    const generation = hash('sha256', text)
    if (spoil === null) {
      good.set(generation, at)
      state.made = at
    } else kept++
    writeFileSync(path, text)
    if (!isAlone) process.signal('SIGHUP')
    await expect
      .poll(() => tally(process.output()), { interval: 5, timeout: 3 * LOOK })
      .toEqual({ taken: good.size - 1, kept })
    if (spoil === null) state.taken = at
    // Every second one is followed at once by the next.
    const awaited = going.answers.length + (at % 2) * 2 * CONNECTIONS
    await expect.poll(() => going.answers.length, { interval: 5 }).toBeGreaterThanOrEqual(awaited)
  }
  await going.stop()

  expect(going.faults).toEqual([])
  expect(going.answers.filter(({ status }) => status !== 200)).toEqual([])
  const valid = new Map([...good.values()].map(each => [mark(each), each]))
  const strange = going.answers.filter(({ mark: shown, between: [from, to] }) => {
    const by = valid.get(shown) ?? -1
    return by < from || by > to
  })
  expect(strange).toEqual([])
  expect(going.connects()).toBe(CONNECTIONS)

  const records = readFileSync(join(folder, 'audit.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as AuditRecord)
  expect(records).toHaveLength(going.answers.length)
  const misnamed = records.filter(
    ({ config, granted }) => granted?.scope !== mark(good.get(config) ?? -1),
  )
  expect(misnamed).toEqual([])
  expect([good.size - 1 + kept, kept]).toEqual([CHANGES, Math.ceil(CHANGES / 3)])
  const { code, stderr } = await process.stop()
  expect([code, stderr]).toEqual([0, ''])
  say(`${CHANGES} changes, ${kept} of them bad: ${going.answers.length} answers`)
})

function renamed(file: ConfigFile, at: number): ConfigFile {
  const scopes = [mark(at)]
  Object.assign(epicOf(file), { clientId: `app-${at}`, scopes })
  for (const service of Object.values(file.services))
    service.grants = [{ upstream: 'epic', scopes }]
  return file
}

const tally = (output: string) => ({
  taken: output.split('new config taken').length - 1,
  kept: output.split('the config is not taken').length - 1,
})
