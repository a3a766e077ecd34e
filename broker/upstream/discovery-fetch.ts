import type { Dispatcher } from 'undici'
import { fetchThrough } from '../../keys-pipeline/published.ts'
import { agentFor, type WebProxy } from './connections.ts'
import type { Visit } from './discovery.ts'

/** How one FHIR server is visited. */
export interface Manner {
  /** PEM of the certificate authorities trusted there; null for the system's. */
  ca: string | null
  /** Seconds for the whole answer. */
  deadline: number
}

export interface Visits {
  visitBy: (manner: Manner) => Visit
  /** Ends every visit that is under way. */
  close: () => Promise<void>
}

/** Bytes. `fetchThrough` ends sooner; this is for one that does not even send a whole header. */
const MOST_BYTES = 4 * 1024 * 1024

/**
 * GETs with a deadline and a size, no redirects, no compression (a bomb would pass the size), TLS 1.2 or later.
 * `elapsed` is a clock in milliseconds that only goes forward.
 */
export function openVisits(elapsed: () => number, proxy: WebProxy | null = null): Visits {
  const agents = new Map<string | null, Dispatcher>()
  const agentWith = (ca: string | null): Dispatcher => {
    const open = agents.get(ca)
    if (open) return open
    const agent = agentFor(ca === null ? {} : { ca }, proxy, MOST_BYTES)
    agents.set(ca, agent)
    return agent
  }
  return {
    visitBy:
      ({ ca, deadline }) =>
      (url, headers) =>
        fetchThrough(agentWith(ca), elapsed, {
          headers: { ...headers, 'user-agent': 'lockstep', 'accept-encoding': 'identity' },
          deadline,
        })(url),
    close: async () => {
      await Promise.all([...agents.values()].map(agent => agent.destroy()))
    },
  }
}
