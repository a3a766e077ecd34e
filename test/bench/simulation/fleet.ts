import { randomBytes } from 'node:crypto'
import { type Entry, left } from '../../../broker/tokens/cache.ts'
import { cacheKey } from '../../../broker/tokens/cache-key.ts'
import { FLOOR } from '../../../broker/tokens/fetch.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import type { UpstreamToken } from '../../../broker/upstream/exchange.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import { chanceFrom } from '../../support/chance.ts'
import { upstream } from '../../support/upstream.ts'
import { type Broker, openBroker } from './broker.ts'
import { type Call, type Counts, countCommand, countIn, noCounts } from './counts.ts'
import { type SimulatedStore, simulatedStore } from './store.ts'
import { type VirtualTime, virtualTime } from './time.ts'

export interface FleetSettings {
  hospitals: number
  /** Sets of scopes that are asked for at each hospital. */
  scopeSets: number
  /** Seconds. */
  life: number
  zones: number
  processes: number
  /** Hand-outs per second, of all processes together. */
  rate: number
  /** Hospitals, of those that are asked least, whose tokens are kept warm. */
  kept: number
  /** Milliseconds that an EHR takes, at least and at most. */
  ehr: readonly [least: number, most: number]
  /** Characters of an access token. */
  tokenLength: number
  seed: number
}

/** What the EHR would grant differently for. */
interface Key {
  nth: number
  upstream: Upstream
  scopes: readonly string[]
  id: string
  /** Hand-outs per second, of all processes together. */
  rate: number
}

export interface Fleet {
  time: VirtualTime
  store: SimulatedStore
  keys: readonly Key[]
  /** Those that serve. */
  brokers: () => readonly Broker[]
  /** A cold process. `delay` (milliseconds) puts off what is asked first of each key. */
  open: (zone: number, delay?: (key: Key) => number) => Broker
  /** No new requests; what is under way ends. */
  stop: (broker: Broker) => void
  /** Goes on for so many seconds, and tells what happened. */
  pass: (seconds: number, during?: () => Promise<void>) => Promise<Counts>
}

/** Milliseconds between broker and store, there and back. */
const ROUND_TRIP = 1
/** Milliseconds between two ticks of a process: every five seconds, and of a long life as many as of a short one. */
const tickFor = (life: number): number => Math.max(5_000, (life * 1000) / 120)
/** Milliseconds between two spot checks. */
const CHECK = 1_000

/**
 * Processes and their callers. A hand-out from a cache whose token is not to be refreshed yet changes nothing, so that
 * of the callers of a key at a process only the first is simulated who comes after that moment: a Poisson stream begins
 * anew at any moment. Spot checks ask in between, and must find that nothing is asked for.
 */
export function openFleet(settings: FleetSettings): Fleet {
  const { hospitals, scopeSets, life, rate, kept, ehr, tokenLength, seed } = settings
  const chance = chanceFrom(seed)
  const time = virtualTime()
  const keys = keysOf(hospitals, scopeSets, rate)
  const byId = new Map(keys.map(key => [key.id, key]))
  const seal = sealWith([randomBytes(32)], () => randomBytes(12))
  const serving = new Set<Broker>()
  let counts = noCounts(time.now())
  let [brokers, owners, tokens] = [0, 0, 0]
  const store = simulatedStore({
    ...{ time, roundTrip: ROUND_TRIP },
    onCommand: (command, bytes) => countCommand(counts, command, bytes, time.now()),
  })
  const filler = 'x'.repeat(tokenLength)
  const call = async (broker: number, key: Key, isLost: () => boolean): Promise<UpstreamToken> => {
    const sentAt = time.clock()
    const made: Call = { key: key.nth, broker, at: sentAt.wall, isLost: false }
    counts.calls.push(made)
    countIn(counts.callsAt, sentAt.wall)
    await time.wait(ehr[0] + chance.next() * (ehr[1] - ehr[0]))
    made.isLost = isLost()
    const accessToken = `${++tokens}-${filler}`.slice(0, tokenLength)
    return { accessToken, life, scope: key.scopes.join(' '), kid: 'kid', sentAt }
  }
  /** The first who asks after that moment. */
  const askNext = (broker: Broker, key: Key, after: number): void => {
    const mean = (1000 * serving.size) / key.rate
    time.at(after - Math.log(1 - chance.next()) * mean, () => void ask(broker, key))
  }
  const ask = async (broker: Broker, key: Key): Promise<void> => {
    if (!broker.isServing) return
    const began = time.now()
    const need = { upstream: key.upstream, scopes: key.scopes, minimumTtl: 0 }
    const failing = broker.obtain(need).then(
      () => false,
      () => true,
    )
    // One of those who come meanwhile: it must not be another call.
    if (broker.underWay(key.id))
      time.at(began + chance.next() * ehr[0], () => void broker.obtain(need).catch(() => {}))
    const isFailed = await failing
    const waited = time.now() - began
    // Who comes meanwhile waits for the same fetch.
    const callers = 1 + ((key.rate / serving.size) * waited) / 1000
    if (waited > 0) counts.waited += callers
    if (isFailed) counts.failed += callers
    await broker.underWay(key.id)?.catch(() => {})
    const entry = broker.cache.entry(key.id)
    askNext(broker, key, entry ? endOf(entry, time.now()) : time.now())
  }
  const check = (): void => {
    time.at(time.now() + CHECK, check)
    const broker = chance.pick([...serving])
    const { upstream, scopes, id } = chance.pick(keys)
    const entry = broker?.cache.entry(id)
    if (!broker || !entry || !isFresh(entry, time)) return
    const { token } = entry
    counts.checked++
    void broker.obtain({ upstream, scopes, minimumTtl: 0 }).then(
      got => {
        if (got.token !== token || broker.underWay(id) !== undefined) counts.wrong++
      },
      () => void counts.wrong++,
    )
  }
  const wanted = keys.slice(keys.length - kept * scopeSets)
  const every = tickFor(life)
  const tick = (): void => {
    time.at(time.now() + every, tick)
    for (const broker of serving) broker.tick()
  }
  time.at(time.now() + every, tick)
  time.at(time.now() + CHECK, check)
  return {
    ...{ time, store, keys },
    brokers: () => [...serving],
    open: (zone, delay = () => 0) => {
      const id = ++brokers
      const broker = openBroker({
        ...{ id, zone, time, chance: chance.next, store, seal },
        newOwner: () => `00000000-0000-4000-8000-${`${++owners}`.padStart(12, '0')}`,
        call: (asked, scopes, isLost) => call(id, byId.get(cacheKey(asked, scopes)) as Key, isLost),
        wanted: () => wanted,
        onRefreshFailed: () => void counts.refreshFailed++,
      })
      serving.add(broker)
      for (const key of keys) askNext(broker, key, time.now() + delay(key))
      return broker
    },
    stop: broker => {
      broker.isServing = false
      serving.delete(broker)
    },
    pass: async (seconds, during) => {
      counts = noCounts(time.now())
      const end = time.now() + seconds * 1000
      await during?.()
      await time.runUntil(end)
      return counts
    },
  }
}

/** The hospitals are asked unequally: the second half as often as the first, the third a third as often. */
function keysOf(hospitals: number, scopeSets: number, rate: number): Key[] {
  const all = Array.from({ length: hospitals * scopeSets }, (_, nth) => {
    const hospital = Math.floor(nth / scopeSets)
    const asked = upstream({
      id: `hospital-${hospital}`,
      tokenEndpoint: `https://hospital-${hospital}.example.com/oauth2/token`,
    })
    const scopes = [`system/Patient.read`, `system/Set${nth % scopeSets}.read`]
    const weight = 1 / (hospital + 1)
    return { nth, upstream: asked, scopes, id: cacheKey(asked, scopes), weight }
  })
  const whole = all.reduce((sum, { weight }) => sum + weight, 0)
  return all.map(({ weight, ...key }) => ({ ...key, rate: (rate * weight) / whole }))
}

const isFresh = ({ token }: Entry, { clock }: VirtualTime): boolean =>
  left(token, clock()) >= FLOOR && clock().wall < token.sentAt.wall + token.soft

/** The moment until which nothing that is asked changes anything. */
function endOf({ token, rest }: Entry, now: number): number {
  return Math.max(now, token.sentAt.wall + token.soft, rest ? rest.since.wall + rest.for : 0)
}
