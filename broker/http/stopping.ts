import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** How the broker stops: whether it has begun to, and what is still under way. */
export interface Stopping {
  hasBegun: () => boolean
  /** Counts work that must come to its end, its caller still there or not. */
  track: <T>(work: Promise<T>) => Promise<T>
  /** Resolves when nothing that was tracked is under way. */
  settled: () => Promise<void>
}

/** The last one of a connection. */
interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/** Whether it came whole and is not answered yet. */
const isUnderWay = ({ request, response }: Exchange): boolean =>
  request.complete && !response.destroyed && !response.writableFinished

/**
 * Requests under way are answered; every other connection is ended at once, be it idle, half a request, or one on
 * which nothing was ever sent: Node ends only those that have had an answer, and the process would wait for the rest.
 */
export function watchStopping(app: FastifyInstance): Stopping {
  let begun = false
  const underWay = new Set<Promise<unknown>>()
  const connections = new Map<Socket, Exchange | null>()
  const { server } = app
  // With TLS the connection below is no use to us: it is the one above that requests come on.
  const isSecure = 'setSecureContext' in server
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, null)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    connections.set(request.socket, { request, response })
    if (begun) response.once('close', () => request.socket.destroy())
  })
  app.addHook('preClose', done => {
    begun = true
    for (const [socket, exchange] of connections) {
      if (exchange === null || !isUnderWay(exchange)) socket.destroy()
      else exchange.response.once('close', () => socket.destroy())
    }
    done()
  })
  app.addHook('onSend', (_, reply, payload, done) => {
    if (begun) reply.header('connection', 'close')
    done(null, payload)
  })
  return {
    hasBegun: () => begun,
    track: work => {
      underWay.add(work)
      const forget = (): void => void underWay.delete(work)
      work.then(forget, forget)
      return work
    },
    settled: async () => {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}
