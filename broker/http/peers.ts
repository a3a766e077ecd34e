import type { Socket } from 'node:net'
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import type { Listen } from '../listen-config.ts'

/**
 * Whose X-Forwarded-For is believed. Whoever is at a socket has no address by which a proxy could be told from a
 * service: there `behindProxy` says that it is the proxy.
 */
export function trustIn({
  socket,
  behindProxy,
  trustedProxies,
}: Pick<Listen, 'socket' | 'behindProxy' | 'trustedProxies'>): NonNullable<
  FastifyServerOptions['trustProxy']
> {
  if (socket === null) return trustedProxies.length > 0 ? [...trustedProxies] : false
  if (!behindProxy) return false
  const further = new BlockList()
  for (const each of trustedProxies) {
    const [address = '', prefix] = each.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) further.addAddress(address, family)
    else further.addSubnet(address, Number(prefix), family)
  }
  const isFurther = (address: string): boolean =>
    isIP(address) !== 0 && further.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  return (address, hop) => hop === 0 || isFurther(address)
}

const AT_SOCKET = 'lockstepAtSocket'

/** Has `addressOf` say `unix` of whoever asks there: on a Unix socket nobody has an address. */
export const nameSocketPeers = (app: FastifyInstance): FastifyInstance =>
  app.decorate(AT_SOCKET, true)

/**
 * From where the requests of a connection come; null where that is for a header to say, which a proxy sets on each.
 */
export function addressesOf(listen: Listen): ((socket: Socket) => string) | null {
  const { socket, behindProxy, trustedProxies } = listen
  if (socket !== null) return behindProxy ? null : () => 'unix'
  return trustedProxies.length > 0 ? null : ({ remoteAddress }) => remoteAddress ?? 'unknown'
}

/**
 * From where a request comes: an address, `unix` for a Unix socket without a proxy in front, or `unknown` for a caller
 * that is gone. From a trusted proxy it is what X-Forwarded-For says, which may be anything: an address alone counts.
 */
export function addressOf({ ip, socket, server }: FastifyRequest): string {
  if (isIP(ip) !== 0) return ip
  return socket.remoteAddress ?? (server.hasDecorator(AT_SOCKET) ? 'unix' : 'unknown')
}
