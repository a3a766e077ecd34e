import type { FastifyInstance } from 'fastify'

/**
 * Whether the broker has been asked to stop. From then on every reply closes its connection: one that was kept alive
 * by a request under way would hold the process until its caller let go.
 */
export function watchStopping(app: FastifyInstance): () => boolean {
  let stopping = false
  app.addHook('preClose', done => {
    stopping = true
    done()
  })
  app.addHook('onSend', (_, reply, payload, done) => {
    if (stopping) reply.header('connection', 'close')
    done(null, payload)
  })
  return () => stopping
}
