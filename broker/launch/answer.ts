import { BrokerError } from '../errors.ts'

/** What comes back from the EHR in the URL, each parameter once. */
export type Answer = ReadonlyMap<string, string>

/** What the EHR says of itself as an authorization server. */
export interface Issuer {
  issuer: string
  jwksUri: string
  /** It says that its answers bear `iss`. */
  sendsIss: boolean
}

/**
 * The code of an answer that belongs to a login of ours.
 *
 * Refused: `login_issuer_differs`, `login_declined`, `login_failed`, `login_code_missing`.
 *
 * @see RFC 6749 §4.1.2 · RFC 9207 §2.4 (iss, compared as it stands)
 */
export function codeOf(answer: Answer, { issuer, sendsIss }: Issuer): string {
  const iss = answer.get('iss')
  if (iss === undefined ? sendsIss : iss !== issuer) throw new BrokerError('login_issuer_differs')
  const error = answer.get('error')
  if (error === 'access_denied') throw new BrokerError('login_declined')
  if (error !== undefined) throw new BrokerError('login_failed', { error: plain(error) })
  const code = answer.get('code')
  if (code === undefined || code === '') throw new BrokerError('login_code_missing')
  return code
}

/** An OAuth error code as RFC 6749 §4.1.2.1 allows it, short; anything else is not repeated. */
const plain = (error: string): string =>
  /^[a-z_]{1,40}$/.test(error) ? error : '(not an OAuth error code)'

/** The parameters of a URL; null where one is given twice, which no honest answer does. */
export function onceEach(query: string): Answer | null {
  const pairs = [...new URLSearchParams(query)]
  const answer = new Map(pairs)
  return answer.size === pairs.length ? answer : null
}
