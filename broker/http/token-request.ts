import type { FastifyRequest } from 'fastify'
import { BrokerError } from '../errors.ts'
import { TOKEN_EXCHANGE } from '../exchange-connection.ts'
import type { TokenRequest } from '../issue-token.ts'
import { readForm } from './form-request.ts'

/** Seconds. */
const MOST_TTL = 86_400

/**
 * The HTTP request as the story reads it. RFC 8707 lets a client name several resources; what is wrong with that here
 * is the target, and policy says so.
 */
export function readTokenRequest(
  request: FastifyRequest,
  fault: BrokerError | null,
  digest: string | null,
): TokenRequest {
  const { given, form, ...read } = readForm(request, ['resource'])
  const minimumTtl = form.get('minimum_ttl') ?? '0'
  return {
    ...read,
    ...{ form, digest },
    ask: {
      resources: given.filter(([name]) => name === 'resource').map(([, value]) => value),
      audience: form.get('audience'),
      scope: form.get('scope'),
    },
    minimumTtl: isTtl(minimumTtl) ? Number(minimumTtl) : 0,
    fault: fault ?? read.fault ?? faultOf(form),
  }
}

function faultOf(form: ReadonlyMap<string, string>): BrokerError | null {
  const grantType = form.get('grant_type')
  if (grantType === undefined) return new BrokerError('grant_type_missing')
  if (grantType !== 'client_credentials' && grantType !== TOKEN_EXCHANGE)
    return new BrokerError('grant_type_unsupported')
  if (!isTtl(form.get('minimum_ttl') ?? '0')) return new BrokerError('minimum_ttl_invalid')
  return null
}

const isTtl = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= MOST_TTL
