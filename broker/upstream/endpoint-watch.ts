import type { Clock, Instant, Span } from '../clock.ts'
import { remaining } from '../clock.ts'
import type { Comparison } from './discovery.ts'
import type { Upstream } from './upstream.ts'

interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  upstreams: () => Iterable<Upstream>
  compare: (upstream: Upstream) => Promise<Comparison>
  /** Told once of each endpoint that is not the one in the config; nothing is switched. */
  onChanged: (upstream: Upstream, now: string) => void
}

/** Milliseconds between two looks at one upstream; the first comes by chance within one. */
const EVERY = 24 * 60 * 60 * 1000
/** Milliseconds between two searches of all upstreams for those that are due, which may be thousands. */
const SEARCH_EVERY = 60_000
/** What one search finds at most: a config that is new since then should not wait long. */
const MOST_FOUND = 48
/** Upstreams that are asked in one tick. */
const AT_ONCE = 4

/** Whether each FHIR server still names the token endpoint that is in the config. To be called every few seconds. */
export function watchEndpoints(ports: Ports): { tick: () => Promise<void> } {
  const { clock, chance, upstreams, compare, onChanged } = ports
  const pauses = new Map<string, Span>()
  const told = new Map<string, string>()
  let searched: Instant | null = null
  let due: Upstream[] = []
  const isDue = ({ id }: Upstream): boolean => {
    const pause = pauses.get(id)
    if (pause === undefined) pauses.set(id, { since: clock(), for: EVERY * chance() })
    return pause !== undefined && remaining(pause.since, pause.for, clock()) <= 0
  }
  const look = async (upstream: Upstream): Promise<void> => {
    const { id } = upstream
    pauses.set(id, { since: clock(), for: EVERY })
    const comparison = await compare(upstream)
    if (comparison.state === 'same') told.delete(id)
    if (comparison.state !== 'changed' || told.get(id) === comparison.now) return
    told.set(id, comparison.now)
    onChanged(upstream, comparison.now)
  }
  return {
    tick: async () => {
      const now = clock()
      if (due.length === 0 && (searched === null || remaining(searched, SEARCH_EVERY, now) <= 0)) {
        searched = now
        due = [...upstreams()].filter(isDue).slice(0, MOST_FOUND)
      }
      await Promise.all(due.splice(0, AT_ONCE).map(look))
    },
  }
}
