import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { addressIn } from './networks.ts'

/** A connection that no request came of. */
export interface Fruitless {
  address: string | null
  /** OpenSSL's or Node's code, or one of `OWN`. */
  reason: string
  /** It said nothing at all that could be wrong, as a probe of a load balancer does. */
  quiet: boolean
}

/** Whoever distrusts our certificate may say so (an alert, with a code of its own), or just leave. */
const OWN = {
  beforeHandshake: 'left without a handshake',
  beforeRequest: 'left without a request',
  tooMany: 'too many connections',
}

export interface Connections {
  /** A request came: what becomes of the connection later is no failure. */
  asked: (socket: Socket) => void
  /** What came was no request; told at once, also after good ones. */
  refused: (socket: Socket, code: string) => void
}

/**
 * Tells once of each connection that no request came of. Who it was is noted when it begins: of a socket that was reset
 * the address is gone, and a hospital that cannot shake hands with us shows nowhere else.
 */
export function watchConnections(
  server: Server,
  { secure, tell }: { secure: boolean; tell: (each: Fruitless) => void },
): Connections {
  const waiting = new Map<string, Fruitless>()
  const told = new WeakSet<Socket>()
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket)
    const fruitless = {
      address: addressIn(socket.remoteAddress),
      reason: secure ? OWN.beforeHandshake : OWN.beforeRequest,
      quiet: true,
    }
    waiting.set(name, fruitless)
    socket.once('close', () => {
      if (waiting.get(name) !== fruitless) return
      waiting.delete(name)
      tell(fruitless)
    })
  })
  server.on('secureConnection', (socket: Socket) => {
    const fruitless = waiting.get(nameOf(socket))
    if (fruitless) fruitless.reason = OWN.beforeRequest
  })
  server.on('drop', (from?: { remoteAddress?: string }) =>
    tell({ address: addressIn(from?.remoteAddress), reason: OWN.tooMany, quiet: false }),
  )
  return {
    asked: socket => void waiting.delete(nameOf(socket)),
    refused: (socket, reason) => {
      waiting.delete(nameOf(socket))
      // What still comes while it is being closed is no other failure.
      if (told.has(socket)) return
      told.add(socket)
      tell({ address: addressIn(socket.remoteAddress), reason, quiet: false })
    },
  }
}

/** One name for the connection and for the TLS within it. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
