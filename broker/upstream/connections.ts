import { Agent } from 'undici'
import { MOST_REPLY_BYTES, type PostForm, postThrough } from './token-endpoint.ts'
import type { Upstream } from './upstream.ts'

export interface Connections {
  postFor: (upstream: Upstream) => PostForm
  /** Ends every call, those behind the callers' backs too: it is for when no caller waits any more. */
  close: () => Promise<void>
}

/** Connection pools, one per set of certificate authorities: TLS 1.2 or later, and never an unverified peer. */
export function openConnections(): Connections {
  const pools = new Map<string | null, { agent: Agent; post: PostForm }>()
  const poolFor = ({ ca, deadline }: Upstream) => {
    const open = pools.get(ca)
    if (open) return open
    const agent = new Agent({
      connect: { ...(ca !== null && { ca }), minVersion: 'TLSv1.2', timeout: deadline * 1000 },
      maxResponseSize: 2 * MOST_REPLY_BYTES,
    })
    const pool = { agent, post: postThrough(agent) }
    pools.set(ca, pool)
    return pool
  }
  return {
    postFor: upstream => poolFor(upstream).post,
    close: async () => {
      await Promise.all([...pools.values()].map(({ agent }) => agent.destroy()))
    },
  }
}
