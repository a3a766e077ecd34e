import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What a request gets in place of an answer. `work` does what was asked, and gives what would have been answered. */
export type Fault = (
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => Promise<unknown>,
) => unknown

export const status =
  (code: number): Fault =>
  (_, reply) =>
    reply.code(code).send({})

export const slow =
  (milliseconds: number): Fault =>
  async (_, __, work) => {
    await wait(milliseconds)
    return work()
  }

/** The connection ends without a word, though what was asked for is done. */
export const droppedAfter: Fault = async (request, reply, work) => {
  await work()
  reply.hijack()
  request.raw.socket.destroy()
}

/** The next fault of the script, or the work itself. */
export const scripted = (
  faults: Fault[],
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => Promise<unknown>,
): unknown => (faults.shift() ?? ((_, __, go) => go()))(request, reply, work)
