import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { toPublicKey } from '../../keys-pipeline/jwk.ts'
import { BrokerError } from '../errors.ts'
import { placePrivate } from '../files.ts'
import type { Rotation } from './state.ts'

/** Bits of an RSA key, as `keys generate` makes them. */
const RSA_BITS = 3072

export type MakePair = (
  alg: Alg,
  bits: number,
) => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>

interface Hand {
  makePair: MakePair
  /** Tells drafts of several brokers apart. */
  writer: string
  /** Rejects where somebody else is to make the key by now. */
  mayWrite: () => Promise<void>
}

/** Where private keys of an environment lie, and what the files are encrypted with. */
export interface KeyPlace {
  folder: string
  passphrase: string | null
}

/**
 * Makes the private key of a rotation as a file of its folder, 0600, and returns its thumbprint. The name of the file
 * is the rotation's, by which `findMade` finds it again after an end in between: one that somebody else has made
 * meanwhile is kept, and it is the key. Where the files of the folder have a passphrase, so has this one.
 *
 * Refused: what `mayWrite` rejects with; `private_key_needed` where the folder cannot be written, or an encrypted file could not say for which
 * algorithm it is, and somebody else must put a key there; `file_not_written`.
 */
export async function makeKey(
  place: KeyPlace,
  { id, alg }: Pick<Rotation, 'id' | 'alg'>,
  { makePair, writer, mayWrite }: Hand,
): Promise<string> {
  const { folder, passphrase } = place
  const draft = `.lockstep-draft${writer && `-${writer}`}.private`
  const [plain, sealed] = filesFor(folder, id)
  const { publicKey, privateKey } = await makePair(alg, RSA_BITS)
  const material = publicKey.export({ format: 'jwk' })
  const { key } = toPublicKey(material, plain, { alg })
  if (key === null) throw new Error('a key that was made for an algorithm fits it')
  if (passphrase === null) {
    const secret = { ...key.jwk, ...privateKey.export({ format: 'jwk' }) }
    await mayWrite()
    writeWhole(folder, { file: plain, draft }, `${JSON.stringify(secret, null, 2)}\n`)
    return findMade(place, id) ?? key.thumbprint
  }
  if (toPublicKey(material, sealed).key?.jwk.alg !== alg)
    throw new BrokerError('private_key_needed', { folder, reason: 'passphrase' })
  const how = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const
  await mayWrite()
  writeWhole(folder, { file: sealed, draft }, privateKey.export(how).toString())
  return findMade(place, id) ?? key.thumbprint
}

/** A JWK, or an encrypted PEM. */
const filesFor = (folder: string, id: string): [string, string] => [
  join(folder, `rotation-${id}.private.jwk.json`),
  join(folder, `rotation-${id}.private.pem`),
]

/** The thumbprint of the key that the rotation has made there; null for none. Refused: `file_unreadable`. */
export function findMade({ folder, passphrase }: KeyPlace, id: string): string | null {
  const file = filesFor(folder, id).find(each => existsSync(each))
  if (file === undefined) return null
  try {
    const text = readFileSync(file, 'utf8')
    const { key } = toPublicKey(publicIn(text, passphrase), file)
    if (key !== null) return key.thumbprint
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // The parser's own message quotes the text, which is a private key.
    throw new BrokerError('file_unreadable', { file, reason: code ?? 'not a JWK' })
  }
  throw new BrokerError('file_unreadable', { file, reason: 'not a key' })
}

function publicIn(text: string, passphrase: string | null): Record<string, unknown> {
  if (text.startsWith('{')) return JSON.parse(text)
  const key = createPrivateKey({ key: text, ...(passphrase !== null && { passphrase }) })
  return { ...createPublicKey(key).export({ format: 'jwk' }) }
}

/** What says that the folder is not ours to write, and that no second attempt will do. */
const CLOSED = new Set(['EACCES', 'EPERM', 'EROFS'])

/** Whole or not at all. A name that begins with a dot is no key to whoever reads the folder. */
function writeWhole(
  folder: string,
  { file, draft }: { file: string; draft: string },
  text: string,
): void {
  try {
    placePrivate(file, text, join(folder, draft))
  } catch (error) {
    const { code: reason = 'unknown' } = error as NodeJS.ErrnoException
    if (CLOSED.has(reason)) throw new BrokerError('private_key_needed', { folder, reason })
    throw new BrokerError('file_not_written', { file, reason })
  }
}
