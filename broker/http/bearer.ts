import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether a header shows the token. As hashes, so that neither the time nor the length tells anything. */
export function showsToken(header: string | undefined, token: string): boolean {
  const given = /^Bearer (\S+)$/i.exec(header ?? '')?.[1] ?? ''
  const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hashOf(given), hashOf(token))
}
