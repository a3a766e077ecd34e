import { BrokerError } from '../errors.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { peekClaims } from './jwt.ts'
import { SAFE } from './secrets.ts'

/** What a request says of who sends it. */
export interface Presented {
  address: string
  /** The Authorization header. */
  authorization: string | undefined
  form: ReadonlyMap<string, string>
  /** Of the connection, read only where nothing else is presented. */
  certificate: () => ClientCertificate | null
}

/** The one thing by which a request says who sends it, read and not believed. */
export type Credential =
  | { method: 'client_secret_basic' | 'client_secret_post'; id: string; secret: string }
  | { method: 'client_assertion'; assertion: string; clientId: string | undefined }
  | {
      method: 'tls_client_auth'
      certificate: ClientCertificate
      clientId: string | undefined
    }

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What OAuth libraries send and people may see; longer is not an id or a secret of ours. */
const MOST_LENGTH = 256

/**
 * Refused: `auth_methods_several`, `client_id_differs`, `credentials_missing`, `credentials_malformed`. A certificate on
 * the connection is a method only where the request itself has none: a mesh shows one on every connection.
 *
 * @see RFC 6749 §2.3.1 · RFC 7521 §4.2 · RFC 8705 §2
 */
export function readCredential({ authorization, form, certificate }: Presented): Credential {
  const secret = form.get('client_secret')
  const clientId = form.get('client_id')
  const assertion = form.get('client_assertion')
  const methods = [authorization, secret, assertion].filter(each => each !== undefined)
  if (methods.length > 1) throw new BrokerError('auth_methods_several')
  if (authorization !== undefined) {
    const basic = readBasic(authorization)
    if (clientId !== undefined && clientId !== basic.id) throw new BrokerError('client_id_differs')
    return { method: 'client_secret_basic', ...basic }
  }
  if (clientId !== undefined && !isSafe(clientId)) throw new BrokerError('credentials_malformed')
  if (assertion !== undefined) {
    if (form.get('client_assertion_type') !== JWT_BEARER)
      throw new BrokerError('credentials_malformed')
    return { method: 'client_assertion', assertion, clientId }
  }
  if (secret !== undefined && clientId !== undefined) {
    if (!isSafe(secret)) throw new BrokerError('credentials_malformed')
    return { method: 'client_secret_post', id: clientId, secret }
  }
  const shown = secret === undefined ? certificate() : null
  if (shown === null) throw new BrokerError('credentials_missing')
  return { method: 'tls_client_auth', certificate: shown, clientId }
}

/**
 * Who a request claims to come from, if it has the form of a client_id, or of the subject of a token: for the audit,
 * before anything is believed.
 */
export function claimedId({ authorization, form }: Presented): string | null {
  const assertion = form.get('client_assertion')
  if (authorization === undefined && assertion !== undefined) {
    const { sub } = peekClaims(assertion)
    return typeof sub === 'string' && SUBJECT.test(sub) ? sub : null
  }
  const claimed = authorization === undefined ? form.get('client_id') : basicId(authorization)
  return isSafe(claimed) ? claimed : null
}

/** Longer ones are nobody's, and others cannot be shown as they are. */
const SUBJECT = /^[\x21-\x7e]{1,500}$/

/** The service that an assertion says it is by: whoever signs its own names itself twice. */
export function signerOf({ iss, sub }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof iss === 'string' && iss === sub && isSafe(iss) ? iss : undefined
}

/** Both halves are form-encoded before they are joined (§2.3.1): openid-client does so, curl does not. */
function readBasic(authorization: string): { id: string; secret: string } {
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) throw new BrokerError('credentials_malformed')
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const [id, secret] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)].map(formDecode)
  if (colon < 0 || !isSafe(id) || !isSafe(secret)) throw new BrokerError('credentials_malformed')
  return { id, secret }
}

function basicId(authorization: string): string | undefined {
  try {
    return readBasic(authorization).id
  } catch {
    return undefined
  }
}

function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

const isSafe = (text: string | undefined): text is string =>
  text !== undefined && text.length <= MOST_LENGTH && SAFE.test(text)
