import type { Access } from './access-log.ts'
import { addressIn, isWithin, type Network, networkOf } from './networks.ts'

/** Who fetched, by network: what one site of a hospital commonly has, IPv4 /24 or IPv6 /48. */
export interface Fetches {
  network: string
  /** ISO 8601, UTC. */
  first: string
  last: string
  /** Key sets that were had, by 200 or by 304, under the path of each. */
  sets: Record<string, number>
  /** Requests in all, and how many of each status. */
  requests: number
  statuses: Record<string, number>
  /** Addresses that were seen, at most this many told apart. */
  addresses: number
  agents: string[]
  /** Connections that never became a request, such as a handshake that failed. */
  failures: number
}

export interface Grouped {
  networks: Fetches[]
  lines: number
  /** Lines that are none of the log's: cut, or of something else. */
  unread: number
  /** Lines of networks that came after so many others that they are only counted. */
  beyond: number
}

const MOST = { networks: 50_000, addresses: 256, agents: 4 }

export interface Wanted {
  /** Paths of the key sets, as they are asked for: `/.well-known/jwks.json`. */
  sets: readonly string[]
  /** Only what comes from there. */
  from?: readonly Network[] | undefined
  /** ISO 8601: only what is as late. */
  since?: string | undefined
}

/** The lines of an access log, grouped by network, the busiest first. Bounded, however long the log is. */
export async function groupFetches(lines: AsyncIterable<string>, wanted: Wanted): Promise<Grouped> {
  const groups = new Map<string, Fetches & { seen: Set<string> }>()
  let [count, unread, beyond] = [0, 0, 0]
  for await (const line of lines) {
    if (line === '') continue
    count++
    const read = readLine(line)
    if (read === null) unread++
    else if (read !== 'other' && isWanted(read, wanted)) {
      const network = networkOf(read.address)
      const group = groups.get(network) ?? newGroup(network, read.time)
      if (!groups.has(network) && groups.size >= MOST.networks) beyond++
      else {
        groups.set(network, group)
        add(group, read, wanted)
      }
    }
  }
  const networks = [...groups.values()].map(({ seen, ...group }) => ({
    ...group,
    addresses: seen.size,
  }))
  return {
    networks: networks.sort((a, b) => b.requests - a.requests),
    lines: count,
    unread,
    beyond,
  }
}

type Line = Pick<Access, 'time' | 'userAgent' | 'path' | 'status'> & {
  address: string
  failed: boolean
}

/** Null for what is no line of ours; `other` for an event that tells of no client. */
function readLine(text: string): Line | 'other' | null {
  const value = parse(text)
  if (value === null) return null
  const { time, address, event, status, path, userAgent } = value
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) return null
  const read = typeof address === 'string' ? addressIn(address) : null
  if (event !== undefined && event !== 'connection_failed') return 'other'
  if (read === null) return address === null ? 'other' : null
  const failed = event === 'connection_failed'
  if (!failed && (typeof status !== 'number' || typeof path !== 'string')) return null
  return {
    ...{ time, address: read, failed, path: String(path ?? ''), status: Number(status ?? 0) },
    userAgent: typeof userAgent === 'string' ? userAgent : null,
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}

const isWanted = ({ address, time }: Line, { from, since }: Wanted): boolean =>
  (from === undefined || isWithin(address, from)) && (since === undefined || time >= since)

const newGroup = (network: string, time: string) => ({
  ...{ network, first: time, last: time, sets: {}, requests: 0, statuses: {}, addresses: 0 },
  ...{ agents: [], failures: 0, seen: new Set<string>() },
})

function add(group: Fetches & { seen: Set<string> }, line: Line, { sets }: Wanted): void {
  if (line.time < group.first) group.first = line.time
  if (line.time > group.last) group.last = line.time
  if (group.seen.size < MOST.addresses) group.seen.add(line.address)
  if (line.failed) {
    group.failures++
    return
  }
  group.requests++
  group.statuses[line.status] = (group.statuses[line.status] ?? 0) + 1
  const path = line.path.split('?')[0] ?? ''
  if (sets.includes(path) && (line.status === 200 || line.status === 304))
    group.sets[path] = (group.sets[path] ?? 0) + 1
  const agent = line.userAgent ?? '(none)'
  if (group.agents.length < MOST.agents && !group.agents.includes(agent)) group.agents.push(agent)
}
