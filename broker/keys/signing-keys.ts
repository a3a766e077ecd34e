import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { accessSync, constants, readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
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
  /** Where it is: a file, or the URI of a key in a token. */
  file: string
  /** When its file was last written, in milliseconds since the epoch; null where there is no file. */
  since: number | null
}

/** What opens encrypted files, and the file that it stands in. */
export interface Passphrase {
  file: string
  text: string
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
 * The private keys of a folder, with every complaint about it. What others may read is refused, as OpenSSH refuses it;
 * so is what is encrypted in another way than PKCS#8's, or with another passphrase. A JWK keeps its kid and alg; a PEM
 * gets its thumbprint and the default algorithm of its type.
 */
export function loadSigningKeys(folder: string, passphrase: Passphrase | null = null): Loaded {
  let names: string[]
  let openness: string[]
  try {
    names = readdirSync(folder).filter(name => KEY_FILE.test(name) && !name.startsWith('.'))
    openness = isOpen(folder, statSync(folder)) ? [`${folder} is open to others: chmod 700 it`] : []
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
  const loaded = names.sort().map(name => loadSigningKey(join(folder, name), passphrase))
  return {
    keys: loaded.filter(each => typeof each !== 'string'),
    complaints: [...openness, ...loaded.filter(each => typeof each === 'string')],
    isEmpty: false,
  }
}

/**
 * A folder of ours is ours alone. In one of somebody else's, root's as a rule, nobody else may put keys; in a Secret that
 * Kubernetes mounts nobody at all can, whatever its mode says.
 */
function isOpen(folder: string, { mode }: Stats): boolean {
  if ((mode & 0o077) === 0) return false
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EROFS' && (mode & 0o022) !== 0
  }
}

/** The key, or what is wrong with its file. */
function loadSigningKey(file: string, passphrase: Passphrase | null): SigningKey | string {
  const sealed = { is: false }
  try {
    const stat = statSync(file)
    const { size, mtimeMs } = stat
    if (!isPrivate(stat)) return `${file} may be read by others: chmod 600 it`
    if (size > MOST_BYTES) return `${file} is too large to be a private key`
    const text = readFileSync(file, 'utf8')
    if (OLD_ENCRYPTION.test(text)) return `${file} is encrypted in OpenSSL’s old way: ${ANEW}`
    sealed.is = ENCRYPTED.test(text)
    if (sealed.is && passphrase === null)
      return `${file} has a passphrase: name the file that holds it as passphraseFile`
    const { key, registered } = openPrivateKey(text, passphrase)
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
    // OpenSSL's message may quote the file. A wrong passphrase now and then decrypts to what is merely no key.
    return sealed.is
      ? `${file} cannot be opened with the passphrase of ${passphrase?.file}`
      : `${file} is not a private key that can be read (PKCS#8, PKCS#1 or SEC 1 PEM, or JWK)`
  }
}

/** No other label of a PEM begins so. @see RFC 7468 §11 */
const ENCRYPTED = /^-----BEGIN ENCRYPTED /m

/** One round of MD5 stands between its passphrase and the key. @see openssl-rsa(1), "-traditional" */
const OLD_ENCRYPTION = /^Proc-Type: 4,ENCRYPTED/m
const ANEW = 'make a PKCS#8 of it by openssl pkcs8 -topk8'

function openPrivateKey(
  text: string,
  passphrase: Passphrase | null,
): {
  key: KeyObject
  registered: { kid?: string; alg?: string }
} {
  if (!text.trimStart().startsWith('{')) {
    const secret = passphrase === null ? {} : { passphrase: passphrase.text }
    return { key: createPrivateKey({ key: text, ...secret }), registered: {} }
  }
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
