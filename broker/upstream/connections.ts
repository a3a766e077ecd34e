import { Agent, type Dispatcher, EnvHttpProxyAgent, fetch as send } from 'undici'
import { BrokerError } from '../errors.ts'
import { MOST_REPLY_BYTES, type PostForm, postThrough } from './token-endpoint.ts'
import type { Upstream } from './upstream.ts'

export interface Connections {
  postFor: (upstream: Upstream) => PostForm
  /** Calls of whatever kind to the upstream's other hosts, with answers of at most so many bytes. To be destroyed by who asks. */
  dispatcherFor: (upstream: Pick<Upstream, 'ca' | 'identity'>, mostBytes: number) => Dispatcher
  /** To whoever is no EHR, trusting the system's authorities or those. To be destroyed by who asks. */
  dispatcherTo: (ca: string | null) => Dispatcher
  /** Ends every call that is under way, and lets no other begin. */
  close: () => Promise<void>
}

/** Milliseconds. As long as any upstream's deadline may be, which bounds each call on its own. */
const CONNECT_TIMEOUT = 120_000

/** Connections to one EHR. More at once would be a burst that no EHR asked for. */
const MOST_CONNECTIONS = 32

/** The way out of the building, as HTTPS_PROXY and NO_PROXY name it. */
export interface WebProxy {
  url: string
  /** Hosts that are called directly: `localhost,.example.org`. */
  except: string
}

/**
 * Connection pools, one per set of certificate authorities and certificate of ours: TLS 1.2 or later, never an
 * unverified peer, and through the proxy where there is one. The tunnel's end is the EHR all the same.
 */
export function openConnections(proxy: WebProxy | null = null): Connections {
  const pools = new Map<string, { agent: Dispatcher; post: PostForm }>()
  let isClosed = false
  const poolFor = ({ ca, identity }: Upstream) => {
    const name = JSON.stringify([ca, identity])
    const open = pools.get(name)
    if (open) return open
    const agent = agentFor({ ...(ca !== null && { ca }), ...identity }, proxy, 2 * MOST_REPLY_BYTES)
    const pool = { agent, post: postThrough(agent) }
    pools.set(name, pool)
    return pool
  }
  return {
    postFor:
      upstream =>
      async (...call) => {
        if (isClosed) throw new BrokerError('upstream_unreachable', { reason: 'stopping' })
        return poolFor(upstream).post(...call)
      },
    dispatcherFor: ({ ca, identity }, mostBytes) =>
      agentFor({ ...(ca !== null && { ca }), ...identity }, proxy, mostBytes),
    dispatcherTo: ca => agentFor({ ...(ca !== null && { ca }) }, proxy, 2 * MOST_REPLY_BYTES),
    close: async () => {
      isClosed = true
      await Promise.all([...pools.values()].map(({ agent }) => agent.destroy()))
    },
  }
}

/** TLS 1.2 or later, never an unverified peer, through the proxy where there is one. */
export function agentFor(
  own: { ca?: string; cert?: string; key?: string },
  proxy: WebProxy | null,
  /** Bytes of an answer. */
  maxResponseSize: number,
): Dispatcher {
  const tls = { ...own, minVersion: 'TLSv1.2' as const }
  const options = {
    connect: { ...tls, timeout: CONNECT_TIMEOUT },
    connections: MOST_CONNECTIONS,
    maxResponseSize,
  }
  if (proxy === null) return new Agent(options)
  const { url, except } = proxy
  return new EnvHttpProxyAgent({
    ...options,
    ...{ httpsProxy: url, httpProxy: url, noProxy: except, requestTls: tls },
  })
}

/** The fetch of the platform, on that way. */
export const fetchOver = (dispatcher: Dispatcher): typeof globalThis.fetch =>
  ((url: string, init: object) => send(url, { ...init, dispatcher })) as never
