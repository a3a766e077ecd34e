/** Cookies of a request; of two with one name the first counts. @see RFC 6265 §5.4 */
export function readCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(at, 0)).trim()
    if (name !== '' && !cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim())
  }
  return cookies
}

export interface Cookie {
  /** Begins with `__Host-`: a browser takes it from this host alone, over TLS alone. */
  name: string
  value: string
  /** Seconds; null until the browser is closed, 0 to drop it. */
  life: number | null
  /** It must come in a frame of another site: then it is that site's own copy, and no other's. */
  isEmbedded: boolean
}

/**
 * A Set-Cookie header. Scripts never see it. `Lax` comes along when an EHR sends the browser back to us, and with
 * nothing that a page of another site has it do behind its user's back.
 *
 * @see RFC 6265bis §4.1.3.2 (`__Host-`) · CHIPS (`Partitioned`)
 */
export function writeCookie({ name, value, life, isEmbedded }: Cookie): string {
  return [
    `${name}=${value}`,
    ...['Path=/', 'Secure', 'HttpOnly'],
    ...(isEmbedded ? ['SameSite=None', 'Partitioned'] : ['SameSite=Lax']),
    ...(life === null ? [] : [`Max-Age=${life}`]),
  ].join('; ')
}
