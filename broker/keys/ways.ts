import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { Agent, type Dispatcher } from 'undici'
import { fetchThrough, type Look } from '../../keys-pipeline/published.ts'

/** One way to a host: over an address family, or through the proxy. */
export interface Way {
  name: 'IPv4' | 'IPv6' | 'proxy'
  visit: (url: string, headers: Readonly<Record<string, string>>) => Promise<Look>
  close: () => Promise<void>
}

/** `family`: over that address family alone. */
export type Ways = (url: URL, ca: string | null, family: 4 | 6 | null) => Promise<Way[]>

/** Seconds for a whole answer. */
const DEADLINE = 10
/** DNS may name more. */
const MOST_ADDRESSES = 16
const MOST_BYTES = 2 * 1024 * 1024

interface Address {
  address: string
  family: number
}

/**
 * The ways by which a stranger on this machine would come to a host, over connections of their own: each family that
 * its name has and that this machine has a route to; none where there is no such name. Behind a proxy the proxy alone
 * knows addresses.
 *
 * @param elapsed a clock in milliseconds that only goes forward
 */
export const openWays =
  (elapsed: () => number, throughProxy: ((ca: string | null) => Dispatcher) | null): Ways =>
  async (url, ca, only) => {
    const way = (name: Way['name'], dispatcher: Dispatcher): Way => ({
      name,
      visit: (at, headers) =>
        fetchThrough(dispatcher, elapsed, { headers, deadline: DEADLINE })(at),
      close: () => dispatcher.destroy(),
    })
    if (throughProxy !== null) return [way('proxy', throughProxy(ca))]
    const found = await addressesOf(url.hostname.replace(/^\[|\]$/g, ''))
    const known = found.filter(({ family }) => only === null || family === only)
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
    const routed = await reachable(known, port)
    // Where nothing can be reached, the looks say so.
    const asked = routed.length > 0 ? routed : known
    return [4, 6].flatMap(family => {
      const addresses = asked.filter(each => each.family === family)
      return addresses.length > 0
        ? [way(`IPv${family}` as Way['name'], agentTo(addresses, ca))]
        : []
    })
  }

async function addressesOf(name: string): Promise<Address[]> {
  const family = isIP(name)
  if (family > 0) return [{ address: name, family }]
  try {
    return (await lookup(name, { all: true })).slice(0, MOST_ADDRESSES)
  } catch {
    return []
  }
}

/** Many machines have no IPv6 while every name has: what cannot be seen from here is no word about the set. */
async function reachable(addresses: readonly Address[], port: number): Promise<Address[]> {
  const routes = await Promise.all(addresses.map(each => hasRoute(each, port)))
  return addresses.filter((_, index) => routes[index])
}

/** A datagram socket that is bound to a far end looks up the route and sends nothing. */
const hasRoute = ({ address, family }: Address, port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    const end = (found: boolean): void => {
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.close()
      resolve(found)
    }
    socket.once('error', () => end(false))
    socket.once('connect', () => end(true))
    socket.connect(port, address)
  })

function agentTo(addresses: readonly Address[], ca: string | null): Agent {
  const [first] = addresses as [Address, ...Address[]]
  return new Agent({
    maxResponseSize: MOST_BYTES,
    connect: {
      minVersion: 'TLSv1.2',
      timeout: DEADLINE * 1000,
      ...(ca !== null && { ca }),
      lookup: (_name, { all }, done) =>
        all ? done(null, [...addresses]) : done(null, first.address, first.family),
    },
  })
}
