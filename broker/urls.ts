import { isIPv4 } from 'node:net'

/** A URL after normalisation, without one slash at the end. */
export function sameBase(url: string): string | null {
  return URL.canParse(url) ? new URL(url).href.replace(/\/$/, '') : null
}

/** As a listener's address or as a URL writes it. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host === '::1' ||
  host === '[::1]' ||
  (isIPv4(host) && host.startsWith('127.'))

/** https, or http on a loopback address. */
export const isSafeUrl = (url: URL): boolean =>
  url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
