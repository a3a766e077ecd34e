import { BrokerError } from '../errors.ts'
import { SAFE, secretMatches } from './secrets.ts'

/** What a request says of who sends it. */
export interface Presented {
  /** The Authorization header. */
  authorization: string | undefined
  form: ReadonlyMap<string, string>
}

export interface Caller {
  service: string
  method: 'client_secret_basic' | 'client_secret_post'
}

/** SHA-256 hashes of the secrets of a service; undefined for one that does not exist. */
export type SecretsOf = (service: string) => readonly string[] | undefined

interface Credentials {
  id: string
  secret: string
  method: Caller['method']
}

/** Compared where there is no such service, so that unknown and wrong take the same time. */
const NOBODY = ['00'.repeat(32)]

/** What OAuth libraries send and people may see; longer is not an id or a secret of ours. */
const MOST_LENGTH = 256

/**
 * The service that sends a request, by its secret. Unknown and wrong look the same from outside.
 *
 * Refused: `auth_methods_several`, `client_id_differs`, `credentials_missing`, `credentials_malformed`,
 * `client_unknown`, `secret_wrong`.
 *
 * @see RFC 6749 §2.3.1
 */
export function authenticate(presented: Presented, secretsOf: SecretsOf): Caller {
  const { id, secret, method } = credentialsOf(presented)
  const hashes = secretsOf(id)
  const matches = secretMatches(secret, hashes ?? NOBODY)
  if (hashes === undefined) throw new BrokerError('client_unknown')
  if (!matches) throw new BrokerError('secret_wrong')
  return { service: id, method }
}

/** The client_id that a request claims, if it has the form of one: for the audit, before anything is believed. */
export function claimedId({ authorization, form }: Presented): string | null {
  const claimed = authorization === undefined ? form.get('client_id') : basicId(authorization)
  return claimed !== undefined && isSafe(claimed) ? claimed : null
}

function credentialsOf({ authorization, form }: Presented): Credentials {
  const posted = form.get('client_secret')
  const bodyId = form.get('client_id')
  const assertion = form.get('client_assertion')
  const methods = [authorization, posted, assertion].filter(each => each !== undefined)
  if (methods.length > 1) throw new BrokerError('auth_methods_several')
  if (assertion !== undefined) throw new BrokerError('credentials_malformed')
  if (authorization !== undefined) {
    const basic = readBasic(authorization)
    if (bodyId !== undefined && bodyId !== basic.id) throw new BrokerError('client_id_differs')
    return { ...basic, method: 'client_secret_basic' }
  }
  if (bodyId === undefined || posted === undefined) throw new BrokerError('credentials_missing')
  if (!isSafe(bodyId) || !isSafe(posted)) throw new BrokerError('credentials_malformed')
  return { id: bodyId, secret: posted, method: 'client_secret_post' }
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
