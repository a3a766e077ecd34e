import { type Access, boundedAgent, sitePathOf } from './access-log.ts'
import { addressIn, isWithin, type Network, networkOf } from './networks.ts'

/** Who fetched, by network: what one site of a hospital commonly has, IPv4 /24 or IPv6 /48. */
export interface Fetches {
  network: string
  /** ISO 8601, UTC. */
  first: string
  last: string
  /** Key sets that were had, whole by 200 or by 304, under the path of each. */
  sets: Record<string, number>
  /** Requests in all, and how many of each status. */
  requests: number
  statuses: Record<string, number>
  /** Addresses that were seen, at most this many told apart. */
  addresses: number
  agents: string[]
  /** Connections that never became a request, by what was wrong. */
  failures: Record<string, number>
}

export interface Grouped {
  networks: Fetches[]
  /** Whether any key set was had, also by networks that are not listed. */
  had: boolean
  /** The oldest time in the log, whoever came: before that it tells nothing. */
  begins: string | null
  lines: number
  /** Lines that are none of the log's: cut, or of something else. */
  unread: number
  /** Lines that the server could not write, by its own account. */
  lost: number
  /** Lines of networks that came after so many others that they are only counted. */
  beyond: number
}

const MOST = { networks: 50_000, addresses: 256, agents: 4, failures: 8 }

export interface Wanted {
  /** Paths of the key sets in the site: `.well-known/jwks.json`. */
  sets: readonly string[]
  /** Only what comes from there. */
  from?: readonly Network[] | undefined
  /** ISO 8601: only what is as late. */
  since?: string | undefined
}

/**
 * The lines of an access log, grouped by network, the busiest first. Bounded, however long the log is.
 *
 * @param lines null for one that is too long to be ours
 */
export async function groupFetches(
  lines: AsyncIterable<string | null>,
  wanted: Wanted,
): Promise<Grouped> {
  const groups = new Map<string, Group>()
  const grouped = { had: false, lines: 0, unread: 0, lost: 0, beyond: 0 }
  let begins: string | null = null
  for await (const text of lines) {
    if (text === '') continue
    grouped.lines++
    const line = text === null ? null : readLine(text)
    if (line === null) {
      grouped.unread++
      continue
    }
    const { time, lost, visit } = line
    if (begins === null || time < begins) begins = time
    grouped.lost += lost
    if (visit === null || !isWanted(visit, wanted)) continue
    const set = setHadBy(visit, wanted.sets)
    grouped.had ||= set !== null
    const group = groupOf(visit, groups)
    if (group === null) grouped.beyond++
    else add(group, visit, set)
  }
  const networks = [...groups.values()].map(fetchesOf)
  return { networks: networks.sort((a, b) => b.requests - a.requests), begins, ...grouped }
}

interface Group {
  network: string
  first: string
  last: string
  addresses: Set<string>
  agents: Set<string>
  sets: Map<string, number>
  statuses: Map<string, number>
  failures: Map<string, number>
}

type Visit = Pick<Access, 'userAgent' | 'method' | 'path' | 'status' | 'bytes'> & {
  time: string
  address: string
  /** Of a connection that never became a request. */
  reason: string | null
}

interface Line {
  time: string
  /** Lines that are missing before it. */
  lost: number
  /** Null where it tells of no client. */
  visit: Visit | null
}

/** Null for what is no line of ours. */
function readLine(text: string): Line | null {
  const value = parse(text)
  const moment = typeof value?.['time'] === 'string' ? Date.parse(value['time']) : Number.NaN
  if (value === null || Number.isNaN(moment)) return null
  const { event, count, address } = value
  // As we would write it: what comes back has no character that could play a trick.
  const time = new Date(moment).toISOString()
  if (event !== undefined && event !== 'connection_failed')
    return { time, lost: event === 'lines_lost' && isCount(count) ? count : 0, visit: null }
  if (address === null) return { time, lost: 0, visit: null }
  const sender = typeof address === 'string' ? addressIn(address) : null
  const visited = event === undefined ? answeredIn(value) : failedIn(value)
  if (sender === null || visited === null) return null
  return { time, lost: 0, visit: { time, address: sender, ...visited } }
}

type Visited = Omit<Visit, 'time' | 'address'>

function answeredIn({ status, path, method, userAgent, bytes }: Unread): Visited | null {
  if (!isCount(status) || status > 999 || !isCount(bytes)) return null
  if (typeof path !== 'string' || typeof method !== 'string') return null
  const agent = typeof userAgent === 'string' ? boundedAgent(userAgent) : null
  return { ...{ status, path, method, bytes }, userAgent: agent, reason: null }
}

function failedIn({ reason }: Unread): Visited {
  const known = typeof reason === 'string' ? reason.slice(0, LONGEST_REASON) : 'unknown'
  return { ...{ status: 0, path: '', method: '', bytes: 0 }, userAgent: null, reason: known }
}

const LONGEST_REASON = 64

type Unread = Record<string, unknown>

function parse(text: string): Unread | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

const isWanted = ({ address, time }: Visit, { from, since }: Wanted): boolean =>
  (from === undefined || isWithin(address, from)) && (since === undefined || time >= since)

/** HEAD brings no key, and of an answer that broke off nobody knows what arrived. */
function setHadBy({ method, path, status, bytes }: Visit, sets: readonly string[]): string | null {
  const isWhole = status === 304 || (status === 200 && bytes > 0)
  const site = sitePathOf(path)
  return method === 'GET' && isWhole && sets.includes(site) ? site : null
}

/** Null where there is no room for another network. */
function groupOf({ address, time }: Visit, groups: Map<string, Group>): Group | null {
  const network = networkOf(address)
  const known = groups.get(network)
  if (known !== undefined) return known
  if (groups.size >= MOST.networks) return null
  const group: Group = {
    ...{ network, first: time, last: time, addresses: new Set(), agents: new Set() },
    ...{ sets: new Map(), statuses: new Map(), failures: new Map() },
  }
  groups.set(network, group)
  return group
}

function add(group: Group, visit: Visit, set: string | null): void {
  const { time, address, reason, status, userAgent } = visit
  if (time < group.first) group.first = time
  if (time > group.last) group.last = time
  addUpTo(MOST.addresses, group.addresses, address)
  if (reason !== null) {
    const room = group.failures.size < MOST.failures || group.failures.has(reason)
    increase(group.failures, room ? reason : 'other')
    return
  }
  increase(group.statuses, `${status}`)
  if (set !== null) increase(group.sets, set)
  addUpTo(MOST.agents, group.agents, userAgent ?? '(none)')
}

function addUpTo(most: number, texts: Set<string>, text: string): void {
  if (texts.size < most) texts.add(text)
}

const increase = (counts: Map<string, number>, name: string): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1)

const fetchesOf = ({ network, first, last, ...group }: Group): Fetches => ({
  ...{ network, first, last, addresses: group.addresses.size, agents: [...group.agents] },
  requests: [...group.statuses.values()].reduce((sum, each) => sum + each, 0),
  sets: Object.fromEntries(group.sets),
  statuses: Object.fromEntries(group.statuses),
  failures: Object.fromEntries(group.failures),
})
