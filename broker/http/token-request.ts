import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { BrokerError } from '../errors.ts'
import type { TokenRequest } from '../issue-token.ts'

/** Seconds. */
const MOST_TTL = 86_400

const FORM = /^application\/x-www-form-urlencoded\s*(?:;\s*charset=(?:"utf-8"|utf-8)\s*)?;?$/i

/**
 * The HTTP request as the story reads it. A fault of form does not throw: it is carried along, since a refusal for a
 * malformed request is recorded like any other.
 *
 * @see RFC 6749 §3.2 (POST, no parameter twice, one without a value counts as left out)
 */
export function readTokenRequest(
  request: FastifyRequest,
  fault: BrokerError | null = null,
): TokenRequest {
  const pairs = typeof request.body === 'string' ? [...new URLSearchParams(request.body)] : []
  const given = pairs.filter(([, value]) => value !== '')
  const form = new Map(given)
  const minimumTtl = form.get('minimum_ttl') ?? '0'
  return {
    id: request.id,
    // From a trusted proxy it is what X-Forwarded-For says, which may be anything.
    address: isIP(request.ip) ? request.ip : (request.socket.remoteAddress ?? 'unknown'),
    authorization: request.headers.authorization,
    form,
    ask: {
      resources: given.filter(([name]) => name === 'resource').map(([, value]) => value),
      audience: form.get('audience'),
      scope: form.get('scope'),
    },
    minimumTtl: isTtl(minimumTtl) ? Number(minimumTtl) : 0,
    fault: fault ?? faultOf(request, pairs, form),
  }
}

function faultOf(
  request: FastifyRequest,
  pairs: readonly [string, string][],
  form: ReadonlyMap<string, string>,
): BrokerError | null {
  if (request.method !== 'POST') return new BrokerError('method_not_allowed')
  if (authorizations(request) > 1) return new BrokerError('auth_methods_several')
  if (!FORM.test(request.headers['content-type'] ?? ''))
    return new BrokerError('content_type_wrong')
  if (request.url.includes('?')) return new BrokerError('query_not_allowed')
  // RFC 8707 lets a client name several resources; what is wrong with that here is the target, and policy says so.
  const names = pairs.map(([name]) => name).filter(name => name !== 'resource')
  if (new Set(names).size < names.length) return new BrokerError('parameter_twice')
  const grantType = form.get('grant_type')
  if (grantType === undefined) return new BrokerError('grant_type_missing')
  if (grantType !== 'client_credentials') return new BrokerError('grant_type_unsupported')
  if (!isTtl(form.get('minimum_ttl') ?? '0')) return new BrokerError('minimum_ttl_invalid')
  return null
}

const isTtl = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= MOST_TTL

/** Node keeps the first of two Authorization headers and says nothing of the second. */
const authorizations = ({ raw }: FastifyRequest): number =>
  raw.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'authorization').length
