import { type Complaint, storeUrlRules } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'

export interface SharedCache {
  url: string
  /** PEM of the authorities trusted for it; null for the system's. */
  ca: string | null
  /** The first encrypts, all decrypt. */
  secrets: readonly Buffer[]
  prefix: string
}

/** Bytes of a secret: as many as the key that is made of it. */
const LEAST_SECRET = 32

/** The shared cache as the config has it. Complains of what cannot be. */
export function readSharedCache(
  { url, urlFile, ca, secrets, prefix }: NonNullable<ConfigFile['sharedCache']>,
  tools: {
    readSecret: (given: string, at: string) => Buffer
    readAuthorities: (given: string, at: string) => string
    complaints: Complaint[]
  },
): SharedCache {
  const { readSecret, readAuthorities, complaints } = tools
  const fromFile = (given: string): string => {
    const at = '/sharedCache/urlFile'
    const text = readSecret(given, at).toString('utf8').trim()
    if (!complaints.some(each => each.at === at))
      complaints.push(...storeUrlRules(text, at, ca !== undefined))
    return text
  }
  const openSecret = (given: string, index: number): Buffer => {
    const at = `/sharedCache/secrets/${index}`
    const secret = readSecret(given, at)
    if (secret.length < LEAST_SECRET && !complaints.some(each => each.at === at))
      complaints.push({ at, message: `${given} holds fewer than ${LEAST_SECRET} bytes` })
    return secret
  }
  return {
    url: urlFile === undefined ? (url ?? '') : fromFile(urlFile),
    ca: ca === undefined ? null : readAuthorities(ca, '/sharedCache/ca'),
    secrets: secrets.map(openSecret),
    prefix: prefix ?? 'lockstep:',
  }
}
