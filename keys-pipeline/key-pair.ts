import { generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { ALGORITHMS, type Alg } from './algorithms.ts'
import { thumbprint } from './jwk.ts'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

const makePair = promisify(generateKeyPair)

/** A pair whose thumbprint reads as a word: one in 64 begins with a hyphen, and would be an option to every command. */
export function newPair(alg: Alg, modulusLength: number): Pair {
  const row = ALGORITHMS[alg]
  for (;;) {
    const pair: Pair =
      row.kty === 'EC'
        ? generateKeyPairSync('ec', { namedCurve: row.crv })
        : generateKeyPairSync('rsa', { modulusLength })
    if (isWord(pair, alg)) return pair
  }
}

/** As `newPair`, beside whatever else the process has to do: an RSA pair may take seconds. */
export async function newPairBeside(alg: Alg, modulusLength: number): Promise<Pair> {
  const row = ALGORITHMS[alg]
  for (;;) {
    const pair: Pair =
      row.kty === 'EC'
        ? await makePair('ec', { namedCurve: row.crv })
        : await makePair('rsa', { modulusLength })
    if (isWord(pair, alg)) return pair
  }
}

const isWord = ({ publicKey }: Pair, alg: Alg): boolean =>
  !thumbprint({ ...publicKey.export({ format: 'jwk' }) }, ALGORITHMS[alg].kty).startsWith('-')
