/**
 * What each published file is served with. A day for the EHR, so that it rides out an outage of ours (Epic caps at
 * 29 h and refetches at once on an unknown kid); ten minutes for shared proxies, which know no kid and would hold
 * yesterday's set against a new key.
 *
 * @see RFC 9111 §5.2.2 · Epic "OAuth 2.0", JWK Set URL
 */
export const CACHE = { published: 'public, max-age=86400, s-maxage=600', dev: 'no-store' } as const

/** A page is asked for anew each time: people would compare yesterday's, and a 404 would outlive its cause. */
const PAGE_CACHE = 'no-cache'

const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  pem: 'application/x-pem-file',
}

/** Headers of one published file, by its path in the site; of a page also by its text, which brings its policy. */
export function headersOf(path: string, cache: string, text = ''): Record<string, string> {
  const isPage = path.endsWith('.html')
  return {
    'Content-Type': TYPES[path.split('.').at(-1) ?? ''] ?? 'text/plain; charset=utf-8',
    'Cache-Control': isPage && cache === CACHE.published ? PAGE_CACHE : cache,
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
    ...(isPage && {
      'Content-Security-Policy': policyAsHeader(text),
      'Referrer-Policy': 'no-referrer',
    }),
  }
}

/** The page's own policy, which counts where no header can be set; only a header can also forbid to frame it. */
function policyAsHeader(page: string): string {
  const own = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(page)?.[1]
  return `${own ?? "default-src 'none'"}; frame-ancestors 'none'`
}

/**
 * `_headers`, for hosts that honour such a file (GitHub Pages does not). A rule a file, since rules that overlap add up;
 * the pages before the PEM files, since Cloudflare reads a hundred rules at most.
 *
 * @see Cloudflare Pages and Netlify, "Headers"
 */
export function headersFile(site: ReadonlyMap<string, string>): string {
  const rules = [...site].flatMap(([path, text]) => {
    const headers = headersOf(path, CACHE.published, text)
    return path === 'index.html' ? [rule('', headers), rule(path, headers)] : rule(path, headers)
  })
  return rules.join('\n')
}

function rule(path: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`)
  return [`/${path}`, ...lines, ''].join('\n')
}
