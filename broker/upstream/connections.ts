import { Agent } from 'undici'
import { BrokerError } from '../errors.ts'
import { MOST_REPLY_BYTES, type PostForm, postThrough } from './token-endpoint.ts'
import type { Upstream } from './upstream.ts'

export interface Connections {
  postFor: (upstream: Upstream) => PostForm
  /** Ends every call that is under way, and lets no other begin. */
  close: () => Promise<void>
}

/** Milliseconds. As long as any upstream's deadline may be, which bounds each call on its own. */
const CONNECT_TIMEOUT = 120_000

/** Connections to one EHR. More at once would be a burst that no EHR asked for. */
const MOST_CONNECTIONS = 32

/** Connection pools, one per set of certificate authorities: TLS 1.2 or later, and never an unverified peer. */
export function openConnections(): Connections {
  const pools = new Map<string | null, { agent: Agent; post: PostForm }>()
  let isClosed = false
  const poolFor = (ca: string | null) => {
    const open = pools.get(ca)
    if (open) return open
    const agent = new Agent({
      connect: { ...(ca !== null && { ca }), minVersion: 'TLSv1.2', timeout: CONNECT_TIMEOUT },
      connections: MOST_CONNECTIONS,
      maxResponseSize: 2 * MOST_REPLY_BYTES,
    })
    const pool = { agent, post: postThrough(agent) }
    pools.set(ca, pool)
    return pool
  }
  return {
    postFor:
      ({ ca }) =>
      async (...call) => {
        if (isClosed) throw new BrokerError('upstream_unreachable', { reason: 'stopping' })
        return poolFor(ca).post(...call)
      },
    close: async () => {
      isClosed = true
      await Promise.all([...pools.values()].map(({ agent }) => agent.destroy()))
    },
  }
}
