import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

export type Jwk = Record<string, unknown>

/** RSA pairs take a third of a second each, so a worker makes only as many as its tests tell apart. */
const made = new Map<string, Pair>()

function pair(name: string, make: () => Pair): Pair {
  const known = made.get(name) ?? make()
  made.set(name, known)
  return known
}

export const rsaPair = (which = 0): Pair =>
  pair(`RSA ${which}`, () => generateKeyPairSync('rsa', { modulusLength: 2048 }))
export const ecPair = (crv: 'P-256' | 'P-384' = 'P-256', which = 0): Pair =>
  pair(`${crv} ${which}`, () => generateKeyPairSync('ec', { namedCurve: crv }))

export const rsaJwk = (which = 0): Jwk => ({
  ...rsaPair(which).publicKey.export({ format: 'jwk' }),
})
export const ecJwk = (crv: 'P-256' | 'P-384' = 'P-256', which = 0): Jwk => ({
  ...ecPair(crv, which).publicKey.export({ format: 'jwk' }),
})
export const privateJwk = (which = 0): Jwk => ({
  ...rsaPair(which).privateKey.export({ format: 'jwk' }),
})
export const spki = (key: KeyObject): string =>
  key.export({ type: 'spki', format: 'pem' }).toString()

/** A folder with these files in it, removed after the test. */
export function folderWith(files: Record<string, string | Buffer | object> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-files-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    const isBytes = typeof content === 'string' || Buffer.isBuffer(content)
    writeFileSync(path, isBytes ? content : JSON.stringify(content))
  }
  return folder
}

export const asIs = (path: string): string => path
