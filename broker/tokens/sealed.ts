import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'

/** Encrypts what leaves the process. */
export interface Seal {
  /** Text that opens again under the same name alone. */
  seal: (text: string, name: string) => string
  /** Null for what none of the secrets has sealed under this name. */
  open: (sealed: string, name: string) => string | null
  /** Whether the secret that seals now has sealed it. */
  isCurrent: (sealed: string) => boolean
}

const CIPHER = 'aes-256-gcm'
/** Bytes. @see NIST SP 800-38D §8.2.2: chance nonces of 96 bits serve 2^32 values under one key. */
const LENGTHS = { keyId: 8, nonce: 12, tag: 16, key: 32 }

/**
 * The first secret seals, all of them open, so that secrets can be replaced one broker after the other. Each value
 * begins with the id of its key.
 *
 * `nonce` gives 12 random bytes, fresh at each call. What one use of a secret has sealed opens for no other.
 */
export function sealWith(
  secrets: readonly Buffer[],
  nonce: () => Buffer,
  use: 'shared cache' | 'connections' = 'shared cache',
): Seal {
  const keys = secrets.map(secret => ({
    id: derived(secret, `${use} 1: key id`, LENGTHS.keyId),
    key: derived(secret, `${use} 1: AES-256-GCM`, LENGTHS.key),
  }))
  const [first] = keys
  if (first === undefined) throw new TypeError('there is no secret to seal with')
  return {
    seal: (text, name) => {
      const iv = nonce()
      const cipher = createCipheriv(CIPHER, first.key, iv, { authTagLength: LENGTHS.tag })
      cipher.setAAD(Buffer.from(name))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([first.id, iv, body, cipher.getAuthTag()]).toString('base64url')
    },
    isCurrent: sealed =>
      Buffer.from(sealed, 'base64url').subarray(0, LENGTHS.keyId).equals(first.id),
    open: (sealed, name) => {
      const bytes = Buffer.from(sealed, 'base64url')
      const start = LENGTHS.keyId + LENGTHS.nonce
      if (bytes.length < start + LENGTHS.tag) return null
      const found = keys.find(({ id }) => id.equals(bytes.subarray(0, LENGTHS.keyId)))
      if (found === undefined) return null
      const iv = bytes.subarray(LENGTHS.keyId, start)
      const decipher = createDecipheriv(CIPHER, found.key, iv, { authTagLength: LENGTHS.tag })
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-LENGTHS.tag))
      try {
        const body = decipher.update(bytes.subarray(start, -LENGTHS.tag))
        return Buffer.concat([body, decipher.final()]).toString('utf8')
      } catch {
        return null
      }
    },
  }
}

/** @see RFC 5869 */
const derived = (secret: Buffer, use: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', `lockstep ${use}`, bytes))
