import type { Dispatcher } from 'undici'
import { request } from 'undici'
import { failureOf, readBounded } from '../../keys-pipeline/published.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'

/** What came back, unjudged. */
export interface Reply {
  status: number
  type: string
  text: string
  /** Milliseconds since the epoch, by its Date; null where it has none. */
  date: number | null
  /** Seconds, by its Retry-After; null where it has none. */
  retryAfter: number | null
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
    // AbortSignal.timeout would hold its timer, and what hangs on it, until the deadline of a call that is long over.
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(TIMEOUT), Math.ceil(deadline * 1000)).unref()
    const end = (): void => clearTimeout(timer)
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
        signal: late.signal,
      })
      const type = headers['content-type']
      const date = Date.parse(textOf(headers['date']))
      const reply = {
        ...{ status: statusCode, type: textOf(type), text: '' },
        date: Number.isNaN(date) ? null : date,
        retryAfter: retryAfterOf(textOf(headers['retry-after']), date),
      }
      if (saysNothing(statusCode)) {
        // Thrown away as it comes: what an outage says may be long, or never end.
        body
          .dump()
          .catch(() => {})
          .finally(end)
        return reply
      }
      const read = await readBounded(body, MOST_REPLY_BYTES)
      end()
      if (read === null) throw new BrokerError('upstream_reply_too_large')
      return { ...reply, text: read.toString('utf8') }
    } catch (error) {
      end()
      throw asFailure(error)
    }
  }
}

const TIMEOUT = new DOMException('The deadline has passed', 'TimeoutError')

/** What went wrong on the way to an answer: `upstream_unreachable`, `upstream_timeout`, `upstream_tls_failed`. */
export function asFailure(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error
  return new BrokerError(FAILURES[failureOf(error)], { reason: reasonOf(error) }, { cause: error })
}

/** A redirect, a request to slow down and an outage are judged by their status alone. */
const saysNothing = (status: number): boolean =>
  (status >= 300 && status < 400) || status === 429 || status >= 500

const FAILURES = {
  name_not_found: 'upstream_unreachable',
  unreachable: 'upstream_unreachable',
  timeout: 'upstream_timeout',
  tls: 'upstream_tls_failed',
} as const satisfies Record<ReturnType<typeof failureOf>, ErrorCode>

/** The system's short word for it; messages may quote what was sent. */
function reasonOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : (name ?? 'unknown')
}

const textOf = (header: string | string[] | undefined): string =>
  typeof header === 'string' ? header : ''

/** Seconds; the longest Retry-After that is believed. */
const MOST_RETRY_AFTER = 3600

/** Seconds, or a moment by the EHR's own clock. @see RFC 9110 §10.2.3 */
function retryAfterOf(header: string, date: number): number | null {
  const seconds = /^\d+$/.test(header)
    ? Number(header)
    : Math.ceil((Date.parse(header) - date) / 1000)
  return Number.isNaN(seconds) ? null : Math.min(Math.max(0, seconds), MOST_RETRY_AFTER)
}
