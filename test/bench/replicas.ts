import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from 'redis'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { type MovedBroker, startMoved } from '../support/moved-process.ts'
import { openRedisServer } from '../support/redis-server.ts'
import type { Bench, Row } from './bench.ts'
import { authorization, callsOf, FORM, layOut, startBroker, startEhr } from './brokers.ts'
import { inTurn } from './rounds.ts'
import { CLIENT_CORE, type Server } from './servers.ts'
import { wrk } from './wrk.ts'

const SIZES = [1, 2, 4]
/** Seconds. A token is refreshed in the last five minutes of its life. */
const LIFE = 3600
/** The last is refreshed before its end, as each is. */
const LIVES = 2
/** Seconds of moved time between two rounds of requests. */
const STEP = 60
/** Requests at once to each broker, each time. */
const ASKED = 3

export const replicas: Bench = {
  name: 'replicas',
  title: `${SIZES.join(', ')} brokers that share a redis: calls to the EHR, and hand-outs from memory`,
  run: async tell => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
    const redis = await openRedisServer({ folder })
    const client = createClient({ url: redis.url })
    await client.connect()
    const store = { url: redis.url, client }
    try {
      const secret = randomBytes(32)
      const rows: Row[] = []
      for (const size of SIZES) {
        const share = sharing(store, secret, `calls-${size}:`)
        rows.push(await callsOfSet(size, share, tell))
      }
      return [...rows, ...(await fromMemory(sharing(store, secret, 'memory:'), tell))]
    } finally {
      client.destroy()
      await redis.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

interface Sharing {
  /** Makes a config that of a set: one store and one secret, under a prefix of the set's own. */
  change: (file: ConfigFile, folder: string) => void
  /** Until no broker of the set holds a lock: time that is moved while a call is under way would make it a late one. */
  settle: () => Promise<void>
}

/** Milliseconds after which a refresh behind a hand-out has its lock, or was none. */
const BEGUN = 50

const sharing = ({ url, client }: Store, secret: Buffer, prefix: string): Sharing => ({
  change: (file, folder) => {
    writeFileSync(join(folder, 'secret'), secret, { mode: 0o600 })
    file.sharedCache = { url, prefix, secrets: ['secret'] }
  },
  settle: async () => {
    do await wait(BEGUN)
    while ((await client.keys(`${prefix}lock:*`)).length > 0)
  },
})

interface Store {
  url: string
  client: { keys: (pattern: string) => Promise<string[]> }
}

/** Calls per life of a token, by real daemons whose time is moved, with requests to each of them all the time. */
async function callsOfSet(
  size: number,
  { change, settle }: Sharing,
  tell: (line: string) => void,
): Promise<Row> {
  const ehr = await startEhr(0, LIFE)
  const places = await Promise.all(
    Array.from({ length: size }, () => layOut({ ehr: ehr.origin, change })),
  )
  const brokers: MovedBroker[] = []
  try {
    const began = Date.now()
    for (const { folder } of places) brokers.push(await startMoved(folder, 'broker.yaml', began))
    for (let second = 0; second <= LIVES * LIFE; second += STEP) {
      await Promise.all(brokers.map(each => each.moveTo(began + second * 1000)))
      const asked = places.flatMap(({ issuer }) => Array.from({ length: ASKED }, () => ask(issuer)))
      await Promise.all(asked)
      await settle()
    }
    const away = brokers.filter(each => each.output().includes('shared cache is away')).length
    if (away > 0) tell(`  ${away} of ${size} brokers were without redis for a while`)
    const calls = await callsOf(ehr)
    // One at the start, and one near the end of each life.
    const value = calls / (LIVES + 1)
    tell(
      `  ${size} brokers: ${calls} calls in ${LIVES} lives, with those that refresh at their ends`,
    )
    return {
      ...{ what: `calls_with_${size}`, value, unit: 'a life', ratio: null, against: null },
      needs: { text: '= 1', isMet: value === 1 },
    }
  } finally {
    await Promise.all(brokers.map(each => each.stop('SIGKILL')))
    await ehr.stop()
    for (const { folder } of places) rmSync(folder, { recursive: true, force: true })
  }
}

async function ask(origin: string): Promise<void> {
  const response = await fetch(`${origin}/oauth2/token`, {
    method: 'POST',
    headers: {
      authorization: authorization(),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: FORM,
  })
  await response.text()
  if (!response.ok) throw new Error(`a broker answered ${response.status}`)
}

/** One of four on a redis against one that is alone: only one is asked at a time, and has the core. */
async function fromMemory({ change }: Sharing, tell: (line: string) => void): Promise<Row[]> {
  const ehr = await startEhr()
  const alone = { ...(await startBroker({ ehr: ehr.origin })), name: 'alone' }
  const shared = { ...(await startBroker({ ehr: ehr.origin, change })), name: 'one of 4' }
  const others: Server[] = []
  for (let nth = 1; nth < 4; nth++)
    others.push(await startBroker({ ehr: ehr.origin, change, core: CLIENT_CORE }))
  try {
    const load = { connections: 64, requests: [{ authorization: authorization(), body: FORM }] }
    const servers = [alone, shared]
    for (const server of servers) await wrk(server, { ...load, seconds: 2 })
    const figures = await inTurn(servers, {
      ...{ rounds: 7, busy: 0.95, tell },
      measure: server => wrk(server, { ...load, seconds: 3 }),
    })
    const [one, ours] = [figures.get('alone'), figures.get('one of 4')]
    if (!one || !ours) return []
    const ratio = ours.rate / one.rate
    return [
      {
        ...{ what: 'alone_rate', value: one.rate, unit: '1/s', ratio: null, against: null },
        spread: one.rateSpread,
      },
      {
        ...{ what: 'rate_of_one_of_4', value: ours.rate, unit: '1/s', ratio },
        ...{ against: 'a broker alone', spread: ours.rateSpread },
        needs: { text: '≥ 0.95', isMet: ratio >= 0.95 },
      },
    ]
  } finally {
    await Promise.all([alone, shared, ehr, ...others].map(each => each.stop()))
  }
}
