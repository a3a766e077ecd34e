import { Agent, request } from 'undici'
import { readBounded } from '../keys-pipeline/published.ts'
import type { AdminAddress } from './admin-config.ts'
import { BrokerError } from './errors.ts'

/** Bytes. A status of a thousand upstreams has about one MB. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * What the running broker of a config says to its operator. Refused: `daemon_unreachable`, `operator_refused`,
 * `daemon_failed`.
 */
export async function askDaemon(admin: AdminAddress, path: string): Promise<unknown> {
  const { socket, port, token } = admin
  const dispatcher = new Agent(socket === null ? {} : { connect: { socketPath: socket } })
  try {
    const { statusCode, body } = await request(`http://127.0.0.1:${port ?? 80}${path}`, {
      dispatcher,
      ...(token !== null && { headers: { authorization: `Bearer ${token}` } }),
    })
    const read = await readBounded(body, MOST_BYTES)
    if (statusCode === 401) throw new BrokerError('operator_refused')
    if (statusCode !== 200 || read === null)
      throw new BrokerError('daemon_failed', { status: statusCode })
    return parsed(read)
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
    throw new BrokerError('daemon_failed', { status: 200 })
  }
}
