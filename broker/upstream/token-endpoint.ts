import type { Dispatcher } from 'undici'
import { errors, request } from 'undici'
import { BrokerError } from '../errors.ts'

/** What came back, unjudged. */
export interface Reply {
  status: number
  type: string
  text: string
}

/** Bytes. Some sixteen times the longest JWT access token an EHR is known to issue; past this it is not a token. */
export const MOST_REPLY_BYTES = 64 * 1024

export type PostForm = (url: string, form: URLSearchParams, deadline: number) => Promise<Reply>

/**
 * One bounded POST: a deadline over the whole exchange, a size, no redirects, no compression (a bomb would pass the
 * size). `deadline` is in seconds. The dispatcher brings TLS 1.2 or later and the certificate authorities.
 *
 * Refused: `upstream_unreachable`, `upstream_timeout`, `upstream_tls_failed`, `upstream_reply_too_large`.
 */
export function postThrough(dispatcher: Dispatcher): PostForm {
  return async (url, form, deadline) => {
    const signal = AbortSignal.timeout(deadline * 1000)
    try {
      const { statusCode, headers, body } = await request(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
          'accept-encoding': 'identity',
        },
        body: form.toString(),
        dispatcher,
        signal,
      })
      const type = headers['content-type']
      const reply = { status: statusCode, type: typeof type === 'string' ? type : '', text: '' }
      if (saysNothing(statusCode)) {
        // Thrown away as it comes: what an outage says may be long, or never end.
        body.dump().catch(() => {})
        return reply
      }
      return { ...reply, text: await readBounded(body) }
    } catch (error) {
      if (error instanceof BrokerError) throw error
      throw new BrokerError(codeOf(error), { reason: reasonOf(error) }, { cause: error })
    }
  }
}

/** A redirect, a request to slow down and an outage are judged by their status alone. */
const saysNothing = (status: number): boolean =>
  (status >= 300 && status < 400) || status === 429 || status >= 500

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > MOST_REPLY_BYTES) throw new BrokerError('upstream_reply_too_large', { bytes: size })
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function codeOf(
  error: unknown,
): 'upstream_timeout' | 'upstream_tls_failed' | 'upstream_unreachable' {
  const reason = reasonOf(error)
  const timeouts = [errors.HeadersTimeoutError, errors.BodyTimeoutError, errors.ConnectTimeoutError]
  if (reason === 'TimeoutError' || timeouts.some(kind => error instanceof kind))
    return 'upstream_timeout'
  if (
    /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/.test(
      reason,
    )
  ) {
    return 'upstream_tls_failed'
  }
  return 'upstream_unreachable'
}

/** The system's short word for it; messages may quote what was sent. */
function reasonOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : (name ?? 'unknown')
}
