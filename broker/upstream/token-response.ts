import { BrokerError, type ErrorCode } from '../errors.ts'
import type { Profile } from '../profiles.ts'
import { parseScopeList } from '../scopes.ts'
import type { Reply } from './token-endpoint.ts'

export interface TokenResponse {
  accessToken: string
  /** Seconds from when the request was sent. */
  life: number
  /** What the EHR granted, as it wrote it; what was asked where it does not say (RFC 6749 §5.1). */
  scope: string
}

/** Seconds; a token that says it lives longer is believed for a day. */
const MOST_LIFE = 24 * 60 * 60

const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  invalid_client: 'upstream_invalid_client',
  unauthorized_client: 'upstream_unauthorized_client',
  invalid_scope: 'upstream_invalid_scope',
  invalid_request: 'upstream_invalid_request',
  unsupported_grant_type: 'upstream_unsupported_grant_type',
}

/**
 * The reply of a token endpoint, judged in order: status, type, JSON, shape. Size was judged while it was read.
 * EHRs write `bearer` and `Bearer`, `expires_in` as number, string or not at all, and HTML with status 200.
 *
 * @see RFC 6749 §5.1, §5.2
 */
export function readTokenResponse(
  reply: Reply,
  asked: readonly string[],
  profile: Profile,
): TokenResponse {
  const { status, retryAfter } = reply
  const later = retryAfter === null ? {} : { retry_after: retryAfter }
  if (status === 429) throw new BrokerError('upstream_rate_limited', { status, ...later })
  if (status >= 500) throw new BrokerError('upstream_unavailable', { status, ...later })
  if (status >= 300 && status < 400) throw new BrokerError('upstream_redirected', { status })
  const isJson = /^application\/(?:[\w.+-]+\+)?json\b/i.test(reply.type)
  if (status !== 200) throw refusal(reply, isJson)
  if (!isJson)
    throw new BrokerError('upstream_not_json', { status, type: reply.type.slice(0, 100) })
  const body = bodyOf(reply)
  const { access_token: accessToken, token_type: tokenType } = body
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]+$/.test(accessToken))
    throw malformed(status, 'access_token')
  if (typeof tokenType !== 'string') throw malformed(status, 'token_type')
  if (tokenType.toLowerCase() !== 'bearer') throw new BrokerError('upstream_token_type', { status })
  return { accessToken, life: lifeOf(body, profile, status), scope: scopeOf(body, asked, status) }
}

function refusal(reply: Reply, isJson: boolean): BrokerError {
  const { status } = reply
  if (!isJson)
    return new BrokerError('upstream_refused', { status, type: reply.type.slice(0, 100) })
  const { error } = bodyOf(reply)
  const code =
    typeof error === 'string' && Object.hasOwn(REFUSALS, error) ? REFUSALS[error] : undefined
  return new BrokerError(code ?? 'upstream_refused', { status, error: plain(error) })
}

/** The JSON object of a reply. Refused: `upstream_not_json`, `upstream_reply_malformed`. */
export function bodyOf({ status, text }: Reply): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // The parser's message quotes the text, which may be half a token.
    throw new BrokerError('upstream_not_json', { status })
  }
  throw malformed(status, 'body')
}

function lifeOf(body: Readonly<Record<string, unknown>>, profile: Profile, status: number): number {
  const { expires_in: written } = body
  if (written === undefined || written === null) return profile.defaultLife
  const life = typeof written === 'string' && /^\d{1,15}$/.test(written) ? Number(written) : written
  if (typeof life !== 'number' || !Number.isFinite(life)) throw malformed(status, 'expires_in')
  return Math.min(Math.floor(life), MOST_LIFE)
}

function scopeOf(
  body: Readonly<Record<string, unknown>>,
  asked: readonly string[],
  status: number,
): string {
  const { scope } = body
  if (scope === undefined || scope === null || scope === '') return asked.join(' ')
  if (typeof scope !== 'string' || parseScopeList(scope.trim().replace(/ +/g, ' ')) === null) {
    throw malformed(status, 'scope')
  }
  return scope.trim().replace(/ +/g, ' ')
}

const malformed = (status: number, member: string): BrokerError =>
  new BrokerError('upstream_reply_malformed', { status, member })

/** An OAuth error code as RFC 6749 §5.2 allows it, short; anything else is not repeated. */
const plain = (error: unknown): string =>
  typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : '(not an OAuth error code)'
