import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { ClientCertificate } from '../access/client-certificate.ts'
import { BrokerError } from '../errors.ts'
import { certificateOf } from './client-certificate.ts'
import { addressOf } from './peers.ts'

/** What every form that services send has in common. */
export interface FormRequest {
  id: string
  address: string
  authorization: string | undefined
  /** The client certificate of the connection. */
  certificate: () => ClientCertificate | null
  /** Parameters with a value, in order: one without counts as left out (RFC 6749 §3.2). */
  given: readonly [string, string][]
  form: ReadonlyMap<string, string>
  /** What is wrong with it as HTTP or as a form. */
  fault: BrokerError | null
}

/** The media type of a form, with UTF-8 or without. */
export const FORM =
  /^application\/x-www-form-urlencoded\s*(?:;\s*charset=(?:"utf-8"|utf-8)\s*)?;?$/i

/**
 * A form, read and not believed. `repeatable` names what may be given several times. A fault does not throw: it is
 * carried along, since a refusal for a malformed request is recorded like any other.
 *
 * @see RFC 6749 §3.2 (POST, no parameter twice)
 */
export function readForm(request: FastifyRequest, repeatable: readonly string[] = []): FormRequest {
  const pairs = typeof request.body === 'string' ? [...new URLSearchParams(request.body)] : []
  const given = pairs.filter(([, value]) => value !== '')
  return {
    id: request.id,
    address: addressOf(request),
    authorization: request.headers.authorization,
    certificate: () => certificateOf(request.raw.socket),
    given,
    form: new Map(given),
    fault: faultOf(
      request,
      pairs.map(([name]) => name).filter(name => !repeatable.includes(name)),
    ),
  }
}

function faultOf(request: FastifyRequest, names: readonly string[]): BrokerError | null {
  if (request.method !== 'POST') return new BrokerError('method_not_allowed')
  if (authorizations(request.raw) > 1) return new BrokerError('auth_methods_several')
  if (!FORM.test(request.headers['content-type'] ?? ''))
    return new BrokerError('content_type_wrong')
  if (request.url.includes('?')) return new BrokerError('query_not_allowed')
  return new Set(names).size < names.length ? new BrokerError('parameter_twice') : null
}

/** Node keeps the first of two Authorization headers and says nothing of the second. */
export function authorizations({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION) count++
  }
  return count
}

const AUTHORIZATION = 'authorization'

/** The caller's trace, as its tracer writes it. @see W3C Trace Context §3.2 */
export const traceparentOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined =>
  headers['traceparent']?.toString()
