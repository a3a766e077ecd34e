import { type Dispatcher, request } from 'undici'
import { readBounded } from '../../keys-pipeline/published.ts'
import { BrokerError } from '../errors.ts'
import { bearerChallenge, type Challenge } from './challenge.ts'
import { fhirUrl } from './fhir-url.ts'
import { asFailure } from './token-endpoint.ts'
import type { Upstream } from './upstream.ts'

/** A resource, of which no more is known than that FHIR gives each a type. */
export interface Resource {
  resourceType: string
  [member: string]: unknown
}

export interface FhirCall {
  /** PUT replaces the resource at a path, POST adds one to a type. */
  method: 'GET' | 'PUT' | 'POST'
  /** Below the FHIR base: `Patient/123`. */
  path: string
  /** What is written. */
  resource?: Resource
}

/** What the FHIR server answered, in whatever status. */
export interface FhirAnswer {
  status: number
  /** An OperationOutcome where it says why not; null where it says nothing. */
  resource: Resource | null
  challenge: Challenge | null
}

/** Bytes. A page of a search has some hundred KB. */
export const MOST_FHIR_BYTES = 4 * 1024 * 1024

const FHIR = 'application/fhir+json'

/**
 * One bounded call to an upstream's own FHIR server, with a token of its own: a deadline over the whole exchange, a size,
 * no redirects, no compression. What comes back has the token nowhere, also where the server repeats it.
 *
 * Refused: `fhir_path_unusable`; `upstream_unreachable`, `upstream_timeout`, `upstream_tls_failed`,
 * `upstream_redirected`, `fhir_reply_unreadable`.
 */
export const fhirThrough =
  (dispatcher: Dispatcher) =>
  async (
    { fhirBase, deadline }: Pick<Upstream, 'fhirBase' | 'deadline'>,
    token: string,
    call: FhirCall,
  ): Promise<FhirAnswer> => {
    const url = fhirUrl(fhirBase, call)
    const { method, resource } = call
    try {
      const { statusCode, headers, body } = await request(url, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: FHIR,
          'accept-encoding': 'identity',
          ...(resource !== undefined && { 'content-type': FHIR }),
        },
        ...(resource !== undefined && { body: JSON.stringify(resource) }),
        dispatcher,
        signal: AbortSignal.timeout(Math.ceil(deadline * 1000)),
      })
      const read = await readBounded(body, MOST_FHIR_BYTES)
      if (statusCode >= 300 && statusCode < 400) throw new BrokerError('upstream_redirected')
      const challenge = String(headers['www-authenticate'] ?? '')
      const text = read && clean(read.toString('utf8'), token)
      const given = text === null ? null : resourceIn(text, String(headers['content-type'] ?? ''))
      const hasAnswer = given !== null || text?.trim() === '' || statusCode >= 400
      if (text === null || !hasAnswer)
        throw new BrokerError('fhir_reply_unreadable', { status: statusCode })
      return {
        status: statusCode,
        resource: given,
        challenge: bearerChallenge(clean(challenge, token)),
      }
    } catch (error) {
      throw asFailure(error)
    }
  }

/** The token in clear, or as JSON writes it where it has slashes. */
const clean = (text: string, token: string): string =>
  text.replaceAll(token, '[token]').replaceAll(token.replaceAll('/', '\\/'), '[token]')

function resourceIn(text: string, type: string): Resource | null {
  if (!/^application\/(fhir\+)?json\b/i.test(type)) return null
  try {
    const value: unknown = JSON.parse(text)
    const { resourceType } = Object(value) as { resourceType?: unknown }
    return typeof resourceType === 'string' ? (value as Resource) : null
  } catch {
    return null
  }
}
