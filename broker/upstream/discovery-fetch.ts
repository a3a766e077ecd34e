import { Agent } from 'undici'
import { fetchThrough } from '../../keys-pipeline/published.ts'
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

/** Milliseconds. As long as any deadline may be, which bounds each visit on its own. */
const CONNECT_TIMEOUT = 120_000

/**
 * GETs with a deadline and a size, no redirects, no compression (a bomb would pass the size), TLS 1.2 or later.
 * `elapsed` is a clock in milliseconds that only goes forward.
 */
export function openVisits(elapsed: () => number): Visits {
  const agents = new Map<string | null, Agent>()
  const agentFor = (ca: string | null): Agent => {
    const open = agents.get(ca)
    if (open) return open
    const agent = new Agent({
      connect: { ...(ca !== null && { ca }), minVersion: 'TLSv1.2', timeout: CONNECT_TIMEOUT },
    })
    agents.set(ca, agent)
    return agent
  }
  return {
    visitBy:
      ({ ca, deadline }) =>
      (url, headers) =>
        fetchThrough(agentFor(ca), elapsed, {
          headers: { ...headers, 'user-agent': 'lockstep', 'accept-encoding': 'identity' },
          deadline,
        })(url),
    close: async () => {
      await Promise.all([...agents.values()].map(agent => agent.destroy()))
    },
  }
}
