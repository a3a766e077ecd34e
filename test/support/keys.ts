import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Finding } from '../../keys-pipeline/errors.ts'
import { ecPair, type Jwk, rsaPair, spki } from './key-files.ts'

/** One key pair in the forms that tests write to files. */
export interface Forms {
  publicKey: KeyObject
  privateKey: KeyObject
  jwk: Jwk
  pem: string
  privatePem: string
  /** The private JWK. */
  secret: Record<string, string>
}

const formsOf = ({
  publicKey,
  privateKey,
}: {
  publicKey: KeyObject
  privateKey: KeyObject
}): Forms => ({
  publicKey,
  privateKey,
  jwk: { ...publicKey.export({ format: 'jwk' }) },
  pem: spki(publicKey),
  privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  secret: { ...privateKey.export({ format: 'jwk' }) } as Record<string, string>,
})

export const rsa = (): Forms => formsOf(rsaPair())
export const p256 = (): Forms => formsOf(ecPair('P-256'))
export const p384 = (): Forms => formsOf(ecPair('P-384'))
export const freshEc = (): Forms => formsOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))

/** Made when it is first asked for, and kept. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

export const codes = (findings: readonly Finding[]): string[] => findings.map(each => each.code)
