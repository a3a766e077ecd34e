import type { Environment } from '../../keys-pipeline/key-set.ts'
import { type Clock, type Instant, remaining } from '../clock.ts'
import { type Fault, isTold, lifeOf, readLook, type Told } from './look.ts'
import type { Round } from './sightings.ts'
import type { Way, Ways } from './ways.ts'

/** An environment's published set, and what is to be seen there. */
export interface Watching {
  url: string
  /** PEM of the authorities to trust; null for the system's. */
  ca: string | null
  /** The one address family that is looked over; null for both. */
  family: 4 | 6 | null
  /** Seconds between two rounds; null where the watch decides. */
  every: number | null
  /** A key is to appear there, or to go. */
  isAwaiting: boolean
}

/** One round as it was seen. */
export interface Seen {
  round: Round
  /** By thumbprint, under which names a look had it. */
  published: ReadonlyMap<string, readonly Named[]>
  /** The looks that told nothing. */
  faults: readonly (Fault & { way: Way['name'] | null; isFresh: boolean })[]
}

export interface Named {
  kid: string
  alg: Told['keys'][number]['jwk']['alg']
}

interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  ways: Ways
  /** Something no cache has seen, for the query. */
  buster: () => string
  watchings: () => ReadonlyMap<Environment, Watching>
  onSeen: (environment: Environment, seen: Seen) => void
}

/** Seconds between two rounds, while something is awaited and else. */
const EVERY = { awaiting: 60, idle: 300 }
/** The share of an interval by which a round may come later, so that brokers do not look all at once. */
const JITTER = 0.1
const HEADERS = { accept: 'application/json', 'user-agent': 'lockstep-watch' }

export interface Watch {
  /** Looks where it is due. To be called every few seconds. */
  tick: () => Promise<void>
  /** Ends the looks that are under way. */
  close: () => Promise<void>
}

/**
 * The published sets, looked at as a stranger would: over each address family, with and without a cache-buster. The
 * first round is due at once. It never throws for what the far end does.
 */
export function openWatch(ports: Ports): Watch {
  const { clock, chance, watchings, onSeen } = ports
  const rounds = new Map<Environment, { since: Instant; late: number; url: string }>()
  const looking = new Set<Environment>()
  const remembered: Memory = new Map()
  const open = new Set<Way>()
  let isClosed = false
  const isDue = (environment: Environment, { url, every, isAwaiting }: Watching): boolean => {
    const last = rounds.get(environment)
    if (last === undefined || last.url !== url) return true
    const seconds = every ?? (isAwaiting ? EVERY.awaiting : EVERY.idle)
    return remaining(last.since, seconds * 1000 * (1 + last.late * JITTER), clock()) <= 0
  }
  const look = async (environment: Environment, watching: Watching): Promise<void> => {
    if (looking.has(environment) || isClosed) return
    const { url } = watching
    looking.add(environment)
    rounds.set(environment, { since: clock(), late: chance(), url })
    try {
      const seen = await lookRound(watching, { ...ports, remembered, open })
      if (!isClosed && watchings().get(environment)?.url === url) onSeen(environment, seen)
    } finally {
      looking.delete(environment)
    }
  }
  return {
    tick: async () => {
      const due = [...watchings()].filter(each => isDue(...each))
      await Promise.all(due.map(each => look(...each)))
    },
    close: async () => {
      isClosed = true
      await Promise.all([...open].map(way => way.close()))
    },
  }
}

/** By URL and way, what the fetch without a cache-buster showed last. */
type Memory = Map<string, Told>

type RoundPorts = Pick<Ports, 'clock' | 'ways' | 'buster'> & { remembered: Memory; open: Set<Way> }

async function lookRound({ url, ca, family }: Watching, ports: RoundPorts): Promise<Seen> {
  const ways = await ports.ways(new URL(url), ca, family)
  const looks = await Promise.all(ways.map(way => lookBothWays(url, way, ports)))
  const all = looks.flat()
  const told = all.flatMap(({ seen }) => (isTold(seen) ? [seen] : []))
  const at = ports.clock().wall
  if (all.length === 0)
    return {
      round: { at, looks: [null] },
      published: new Map(),
      faults: [{ state: 'name_not_found', detail: '', way: null, isFresh: false }],
    }
  return {
    round: {
      at,
      looks: all.map(({ seen }) =>
        isTold(seen)
          ? { keys: seen.keys.map(({ thumbprint }) => thumbprint), life: lifeOf(seen) }
          : null,
      ),
    },
    published: namesIn(told),
    faults: all.flatMap(({ seen, way, isFresh }) =>
      isTold(seen) ? [] : [{ ...seen, way, isFresh }],
    ),
  }
}

async function lookBothWays(
  url: string,
  way: Way,
  { buster, remembered, open }: RoundPorts,
): Promise<{ seen: Told | Fault; way: Way['name']; isFresh: boolean }[]> {
  const name = `${way.name} ${url}`
  const known = remembered.get(name)
  const before = known && known.etag !== null ? { ...known, etag: known.etag } : null
  const fresh = new URL(url)
  fresh.searchParams.set('lockstep', buster())
  open.add(way)
  try {
    const [plain, busted] = await Promise.all([
      way.visit(url, { ...HEADERS, ...(before && { 'if-none-match': before.etag }) }),
      way.visit(fresh.href, HEADERS),
    ])
    const [cached, uncached] = [readLook(plain, before), readLook(busted, null)]
    // Where the two differ, a copy is old, or an ETag stays the same whatever is served: the next is asked for whole.
    if (isTold(cached) && isTold(uncached) && cached.text === uncached.text)
      remembered.set(name, cached)
    else remembered.delete(name)
    return [
      { seen: cached, way: way.name, isFresh: false },
      { seen: uncached, way: way.name, isFresh: true },
    ]
  } finally {
    open.delete(way)
    await way.close()
  }
}

function namesIn(told: readonly Told[]): Map<string, Named[]> {
  const names = new Map<string, Named[]>()
  for (const { thumbprint, jwk } of told.flatMap(({ keys }) => keys)) {
    const known = names.get(thumbprint) ?? []
    const { kid, alg } = jwk
    if (!known.some(each => each.kid === kid && each.alg === alg)) known.push({ kid, alg })
    names.set(thumbprint, known)
  }
  return names
}
