import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import type { BrokerError } from '../errors.ts'

/** RFC 6749 §5.1: nothing of the token endpoint is ever kept by a cache. */
export const NO_STORE = { 'cache-control': 'no-store', pragma: 'no-cache' } as const

/**
 * An error as RFC 6749 §5.2 has it, with our stable `code`. The body depends on the code alone, so that what must look
 * the same does, byte for byte.
 */
export function sendError(reply: FastifyReply, error: BrokerError): FastifyReply {
  return reply.code(error.row.status).headers(headersOf(error)).send(bodyOf(error))
}

export function headersOf(error: BrokerError): Record<string, string | number> {
  const { status, retryAfter } = error.row
  const later = error.facts['retry_after']
  return {
    ...NO_STORE,
    ...(status === 401 && { 'www-authenticate': challengeOf(error) }),
    ...(status === 405 && { allow: 'POST' }),
    ...(retryAfter !== undefined && {
      'retry-after': typeof later === 'number' ? later : retryAfter,
    }),
  }
}

export const bodyOf = ({ row, shownCode }: BrokerError) => ({
  ...{ error: row.oauth, error_description: row.says, code: shownCode },
})

/** Basic would have a browser ask for a password in a window of its own. @see RFC 6750 §3 */
const challengeOf = ({ code }: BrokerError): string =>
  code === 'operator_refused'
    ? 'Bearer realm="lockstep"'
    : 'Basic realm="lockstep", charset="UTF-8"'

/** What an operator should see of a refusal: faults of the EHR and of ours, never the caller's. */
export function logError(log: FastifyBaseLogger, error: BrokerError): void {
  const { blame } = error.row
  if (blame === 'caller' || blame === 'policy') return
  const cause = error.cause instanceof Error ? { cause: error.cause.name } : {}
  // The stack of a bug, but not its message: a message may quote what was being read.
  const stack =
    error.code === 'internal' && error.cause instanceof Error
      ? { stack: framesOf(error.cause) }
      : {}
  log.error({ code: error.code, ...error.facts, ...cause, ...stack }, error.message)
}

const framesOf = (error: Error): string =>
  (error.stack ?? '')
    .split('\n')
    .filter(line => line.startsWith('    at '))
    .join('\n')
