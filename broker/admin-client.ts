import { Agent, request } from 'undici'
import { readBounded } from '../keys-pipeline/published.ts'
import type { AdminAddress } from './admin-config.ts'
import { BrokerError, ERRORS, type ErrorCode } from './errors.ts'

/** Bytes. A status of a thousand upstreams has about one MB. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * What the running broker of a config says to its operator. Refused: `daemon_unreachable`, `operator_refused`,
 * `daemon_failed`, and whatever the broker itself refuses.
 */
export const askDaemon = (admin: AdminAddress, path: string): Promise<unknown> =>
  call(admin, path, { method: 'GET' })

/** The same of what changes something. */
export const orderDaemon = (admin: AdminAddress, path: string, order: object): Promise<unknown> =>
  call(admin, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  })

async function call(
  { socket, port, token }: AdminAddress,
  path: string,
  how: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string },
): Promise<unknown> {
  const dispatcher = new Agent(socket === null ? {} : { connect: { socketPath: socket } })
  try {
    const { statusCode, body } = await request(`http://127.0.0.1:${port ?? 80}${path}`, {
      ...{ ...how, dispatcher },
      headers: { ...how.headers, ...(token !== null && { authorization: `Bearer ${token}` }) },
    })
    const read = await readBounded(body, MOST_BYTES)
    if (statusCode === 401) throw new BrokerError('operator_refused')
    const answer = read === null ? undefined : parsed(read)
    if (statusCode === 200 && answer !== undefined) return answer
    throw refusalIn(answer) ?? new BrokerError('daemon_failed', { status: statusCode })
  } catch (error) {
    if (error instanceof BrokerError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new BrokerError('daemon_unreachable', {
      at: socket ?? `port ${port}`,
      reason: code ?? 'unknown',
    })
  } finally {
    await dispatcher.destroy()
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** One of our own codes, with what the broker knows of it. */
function refusalIn(answer: unknown): BrokerError | null {
  const { code, facts } = Object(answer) as { code?: unknown; facts?: unknown }
  if (typeof code !== 'string' || !isErrorCode(code)) return null
  const known = Object.entries(Object(facts)).filter(
    (fact): fact is [string, string | number | boolean] =>
      ['string', 'number', 'boolean'].includes(typeof fact[1]),
  )
  return new BrokerError(code, Object.fromEntries(known))
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code)
