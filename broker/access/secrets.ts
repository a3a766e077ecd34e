import { hash, timingSafeEqual } from 'node:crypto'

/** Letters that need no encoding in a header, a form, a URL or a shell. */
export const SAFE = /^[A-Za-z0-9._-]+$/

/** 256 random bits as text. Made by us only, so that a fast hash is enough to keep it by. */
export const secretFrom = (random: Buffer): string => random.toString('base64url')

/** What the config holds of a secret: SHA-256, hex. */
export const secretHash = (secret: string): string => hash('sha256', secret, 'hex')

/** Whether one of the hashes is the secret's, looking at every one, in the same time whatever the answer. */
export function secretMatches(secret: string, hashes: readonly string[]): boolean {
  const presented = Buffer.from(secretHash(secret), 'hex')
  let found = false
  for (const each of hashes) found = timingSafeEqual(presented, Buffer.from(each, 'hex')) || found
  return found
}
