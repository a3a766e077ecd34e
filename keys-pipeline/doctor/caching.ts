/** What a Cache-Control header says to a reader of key sets. Seconds. */
export interface Caching {
  state: 'said' | 'unsaid' | 'none' | 'unreadable'
  /** For the EHR’s own copy: max-age. */
  own: number
  /** For a proxy that many share: s-maxage, else max-age, with what it may serve stale beyond. */
  shared: number
}

/** Seconds. Epic’s default, and the longest that it keeps a set whatever is said. @see Epic, OAuth 2.0: JWK Set URL */
export const EPIC_MOST = 29 * 60 * 60

/**
 * `none` is no-store, no-cache and max-age=0: to be asked for each time. A header that cannot be read counts as none
 * said, as to most caches. @see RFC 9111 §5.2.2 · RFC 5861
 */
export function cachingOf(header: string | undefined): Caching {
  if (header === undefined || header.trim() === '')
    return { state: 'unsaid', own: EPIC_MOST, shared: EPIC_MOST }
  const said = header.split(',').map(each => each.trim().toLowerCase())
  const directives = new Map(said.map(each => [each.split('=')[0] ?? '', valueIn(each)]))
  const seconds = (name: string): number | null | undefined => {
    if (!directives.has(name)) return undefined
    const value = directives.get(name) ?? ''
    return /^\d{1,10}$/.test(value) ? Number(value) : null
  }
  const [age, shared] = [seconds('max-age'), seconds('s-maxage')]
  const isTwice = directives.size < said.length
  if (age === null || shared === null || isTwice)
    return { state: 'unreadable', own: EPIC_MOST, shared: EPIC_MOST }
  if (directives.has('no-store') || directives.has('no-cache') || age === 0)
    return { state: 'none', own: 0, shared: 0 }
  if (age === undefined && shared === undefined)
    return { state: 'unsaid', own: EPIC_MOST, shared: EPIC_MOST }
  const stale = (seconds('stale-while-revalidate') ?? 0) + (seconds('stale-if-error') ?? 0)
  const own = age ?? EPIC_MOST
  return { state: 'said', own, shared: directives.has('private') ? 0 : (shared ?? own) + stale }
}

const valueIn = (directive: string): string =>
  directive.slice(directive.indexOf('=') + 1).replace(/^"(.*)"$/, '$1')
