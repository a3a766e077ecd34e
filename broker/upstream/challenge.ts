/** Why a resource server takes no bearer token. @see RFC 6750 §3 */
export interface Challenge {
  error: string | null
  description: string | null
  scope: string | null
}

/** Characters; a longer header is no challenge. */
const MOST = 8192

/** One parameter, or the name of a scheme. @see RFC 9110 §11.6.1 */
const PART =
  /\s*,?\s*(?:([!#$%&'*+.^_`|~\w-]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([!#$%&'*+.^_`|~\w-]{1,64})(?=\s|,|$))/y

/** The Bearer challenge in a WWW-Authenticate, among whatever others; null where there is none. */
export function bearerChallenge(header: string): Challenge | null {
  if (header.length > MOST) return null
  const found = new Map<string, string>()
  let scheme = ''
  let isBearer = false
  const part = new RegExp(PART)
  for (let match = part.exec(header); match !== null; match = part.exec(header)) {
    const [all, name, quoted, plain, word] = match
    if (all === '') break
    if (word !== undefined) scheme = word.toLowerCase()
    isBearer ||= scheme === 'bearer'
    if (name !== undefined && scheme === 'bearer' && !found.has(name.toLowerCase()))
      found.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  }
  if (!isBearer) return null
  const said = (name: string): string | null => found.get(name)?.slice(0, 1000) ?? null
  return { error: said('error'), description: said('error_description'), scope: said('scope') }
}
