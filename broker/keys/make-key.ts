import type { KeyObject } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { toPublicKey } from '../../keys-pipeline/jwk.ts'
import { BrokerError } from '../errors.ts'
import { syncFolder } from './put-away.ts'
import type { Rotation } from './state.ts'

/** Bits of an RSA key, as `keys generate` makes them. */
const RSA_BITS = 3072

export type MakePair = (
  alg: Alg,
  bits: number,
) => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>

/**
 * Makes the private key of a rotation as a file of its folder, 0600, and returns its thumbprint. The name of the file
 * is the rotation's, by which `findMade` finds it again after an end in between.
 *
 * Refused: `private_key_needed` where the folder cannot be written, and somebody else must put a key there;
 * `file_not_written`.
 */
export async function makeKey(
  folder: string,
  { id, alg }: Pick<Rotation, 'id' | 'alg'>,
  makePair: MakePair,
): Promise<string> {
  const file = fileFor(folder, id)
  const pair = await makePair(alg, RSA_BITS)
  const { key } = toPublicKey(pair.publicKey.export({ format: 'jwk' }), file, { alg })
  if (key === null) throw new Error('a key that was made for an algorithm fits it')
  const secret = { ...key.jwk, ...pair.privateKey.export({ format: 'jwk' }) }
  writeWhole(folder, file, `${JSON.stringify(secret, null, 2)}\n`)
  return key.thumbprint
}

const fileFor = (folder: string, id: string): string =>
  join(folder, `rotation-${id}.private.jwk.json`)

/** The thumbprint of the key that the rotation has made there; null for none. Refused: `file_unreadable`. */
export function findMade(folder: string, id: string): string | null {
  const file = fileFor(folder, id)
  if (!existsSync(file)) return null
  try {
    const { key } = toPublicKey(JSON.parse(readFileSync(file, 'utf8')), file)
    if (key !== null) return key.thumbprint
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // The parser's own message quotes the text, which is a private key.
    throw new BrokerError('file_unreadable', { file, reason: code ?? 'not a JWK' })
  }
  throw new BrokerError('file_unreadable', { file, reason: 'not a key' })
}

/** What says that the folder is not ours to write, and that no second attempt will do. */
const CLOSED = new Set(['EACCES', 'EPERM', 'EROFS'])

/** Whole or not at all. A name that begins with a dot is no key to whoever reads the folder. */
function writeWhole(folder: string, file: string, text: string): void {
  const draft = join(folder, '.lockstep-draft.private')
  try {
    rmSync(draft, { force: true })
    const descriptor = openSync(draft, 'wx', 0o600)
    try {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(draft, file)
    syncFolder(folder)
  } catch (error) {
    const { code: reason = 'unknown' } = error as NodeJS.ErrnoException
    if (CLOSED.has(reason)) throw new BrokerError('private_key_needed', { folder, reason })
    throw new BrokerError('file_not_written', { file, reason })
  }
}
