/**
 * What each published file is served with. A day for the EHR, so that it rides out an outage of ours (Epic caps at
 * 29 h and refetches at once on an unknown kid); ten minutes for shared proxies, which know no kid and would hold
 * yesterday's set against a new key.
 *
 * @see RFC 9111 §5.2.2 · Epic "OAuth 2.0", JWK Set URL
 */
export const CACHE = { published: 'public, max-age=86400, s-maxage=600', dev: 'no-store' } as const

const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  pem: 'application/x-pem-file',
}

/** Headers of one published file, by its path in the site. */
export function headersOf(path: string, cache: string): Record<string, string> {
  return {
    'Content-Type': TYPES[path.split('.').at(-1) ?? ''] ?? 'text/plain; charset=utf-8',
    'Cache-Control': cache,
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
  }
}

/** `_headers`, for hosts that honour such a file (GitHub Pages does not). */
export function headersFile(paths: readonly string[]): string {
  return paths
    .map(path => {
      const lines = Object.entries(headersOf(path, CACHE.published)).map(
        ([name, value]) => `  ${name}: ${value}`,
      )
      return [`/${path}`, ...lines, ''].join('\n')
    })
    .join('\n')
}
