import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { type PublicJwk, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { isPrivate } from '../files.ts'
import type { Signer } from '../upstream/assertion.ts'

/** A private key that can sign and cannot be read back. */
export interface SigningKey extends Signer {
  alg: Alg
  /** Its public half, as it would be published. */
  jwk: PublicJwk
  file: string
  /** When its file was last written; milliseconds since the epoch. */
  since: number
}

const KEY_FILE = /\.(pem|jwk\.json)$/

/** Bytes. An RSA key of 16,384 bits as PEM is 13 KB. */
const MOST_BYTES = 64 * 1024

interface Loaded {
  keys: SigningKey[]
  complaints: string[]
  /** There is no key, and that is all there is to complain of. */
  isEmpty: boolean
}

/**
 * The private keys of a folder, with every complaint about it. A file that others may read is refused, as OpenSSH
 * refuses it. A JWK keeps its kid and alg; a PEM gets its thumbprint and the default algorithm of its type.
 */
export function loadSigningKeys(folder: string): Loaded {
  let names: string[]
  try {
    names = readdirSync(folder).filter(name => KEY_FILE.test(name) && !name.startsWith('.'))
  } catch (error) {
    return {
      keys: [],
      complaints: [`${folder} cannot be read (${(error as NodeJS.ErrnoException).code})`],
      isEmpty: false,
    }
  }
  if (names.length === 0)
    return {
      ...{ keys: [], isEmpty: true },
      complaints: [`${folder} holds no private key (*.pem, *.jwk.json)`],
    }
  const loaded = names.sort().map(name => loadSigningKey(join(folder, name)))
  return {
    keys: loaded.filter(each => typeof each !== 'string'),
    complaints: loaded.filter(each => typeof each === 'string'),
    isEmpty: false,
  }
}

/** The key, or what is wrong with its file. */
function loadSigningKey(file: string): SigningKey | string {
  try {
    const stat = statSync(file)
    const { size, mtimeMs } = stat
    if (!isPrivate(stat)) return `${file} may be read by others: chmod 600 it`
    if (size > MOST_BYTES) return `${file} is too large to be a private key`
    const { key, registered } = openPrivateKey(readFileSync(file, 'utf8'))
    const { key: known, findings } = toPublicKey(
      createPublicKey(key).export({ format: 'jwk' }),
      file,
      registered,
    )
    if (known === null) return `${file}: ${findings[0]?.message ?? 'not a key that EHRs take'}`
    const { kid, alg } = known.jwk
    return {
      kid,
      alg,
      thumbprint: known.thumbprint,
      jwk: known.jwk,
      file,
      since: mtimeMs,
      signJwt: signWith(key),
    }
  } catch {
    // OpenSSL's message may quote the file.
    return `${file} is not a private key that can be read (PKCS#8, PKCS#1 or SEC 1 PEM without a passphrase, or JWK)`
  }
}

function openPrivateKey(text: string): {
  key: KeyObject
  registered: { kid?: string; alg?: string }
} {
  if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text), registered: {} }
  const jwk = JSON.parse(text)
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  const { kid, alg } = jwk
  return {
    key,
    registered: {
      ...(typeof kid === 'string' && { kid }),
      ...(typeof alg === 'string' && { alg }),
    },
  }
}

const signWith =
  (key: KeyObject): Signer['signJwt'] =>
  (header, claims) =>
    new SignJWT({ ...claims }).setProtectedHeader(header).sign(key)
