import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { finding, PipelineError } from './errors.ts'
import { type PublicKey, type Registered, toPublicKey } from './jwk.ts'

/** A private key of the custodian's, for the moment in which it signs a statement or is compared. */
export interface PrivateKey {
  key: KeyObject
  /** Its public half, as it would be published. */
  half: PublicKey
}

/**
 * One private key from a PEM (PKCS#8, PKCS#1, SEC 1, without a passphrase) or a JWK, which keeps its kid and alg.
 * Refused: `private_key_unusable`, and what the public half would be refused for. No message repeats any of the file.
 */
export function openPrivateKey(
  file: string,
  show: (path: string) => string,
  registered: Registered = {},
): PrivateKey {
  const { key, named } = parsePrivateKey(file, show)
  const { key: half, findings } = toPublicKey(
    createPublicKey(key).export({ format: 'jwk' }),
    show(file),
    { kid: registered.kid ?? named.kid, alg: registered.alg ?? named.alg },
  )
  const [first, ...others] = findings
  if (first) throw new PipelineError(first, ...others)
  if (half === null) throw new Error('a key without findings is a key')
  return { key, half }
}

function parsePrivateKey(
  file: string,
  show: (path: string) => string,
): { key: KeyObject; named: Registered } {
  try {
    const text = readFileSync(file, 'utf8')
    if (!text.trimStart().startsWith('{'))
      return { key: rsaOrEc(createPrivateKey(text)), named: {} }
    const jwk = JSON.parse(text)
    const { kid, alg } = jwk
    const named = {
      ...(typeof kid === 'string' && { kid }),
      ...(typeof alg === 'string' && { alg }),
    }
    return { key: rsaOrEc(createPrivateKey({ key: jwk, format: 'jwk' })), named }
  } catch {
    // OpenSSL's message may quote the file.
    throw new PipelineError(
      finding('private_key_unusable', show(file), 'not a private key that can be read'),
    )
  }
}

/** Of the other types Node has no JWK, or no algorithm that an EHR takes. */
function rsaOrEc(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec') return key
  throw new Error('neither RSA nor EC')
}
