/**
 * SMART scopes, v1 and v2, and the forms in which EHRs write them back: Epic answers `Patient.read` or `Patient.Read`
 * where `system/Patient.read` was registered.
 *
 * @see SMART App Launch 2.2, "Scopes for requesting FHIR resources" (v1 `.read` = `.rs`, `.write` = `.cud`)
 */
const SMART = /^(?:(patient|user|system)\/)?([a-z]+|\*)\.([a-z]+|\*)(\?.+)?$/

const WORDS: ReadonlyMap<string, string> = new Map([
  ['read', 'rs'],
  ['write', 'cud'],
  ['*', 'cruds'],
  ['search', 's'],
  ['create', 'c'],
  ['update', 'u'],
  ['delete', 'd'],
])

interface Smart {
  level: string
  resource: string
  actions: string
  query: string
}

/** RFC 6749 §3.3: one or more tokens of these characters, between single spaces. */
const SCOPE_LIST = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/** A request that names more is no request for a token. */
const MOST_SCOPES = 500

/** The scopes of a list, each once, in a fixed order; null if it is not a list of scopes, or one of more than 500. */
export function parseScopeList(text: string): string[] | null {
  if (!SCOPE_LIST.test(text)) return null
  const scopes = [...new Set(text.split(' '))].sort()
  return scopes.length > MOST_SCOPES ? null : scopes
}

/** Tells of any scope whether the granted ones, together, allow all that it does. */
export function coverage(granted: readonly string[]): (asked: string) => boolean {
  const plain = new Set(granted.map(scope => scope.toLowerCase()))
  const smart = granted.map(parse).filter(scope => scope !== null)
  return asked => {
    const wanted = parse(asked)
    if (wanted === null) return plain.has(asked.toLowerCase())
    const actions = new Set(
      smart.filter(scope => reaches(scope, wanted)).flatMap(scope => [...scope.actions]),
    )
    return [...wanted.actions].every(action => actions.has(action))
  }
}

/** A grant with a query is narrower than one without. */
const reaches = (grant: Smart, wanted: Smart): boolean =>
  grant.level === wanted.level &&
  (grant.resource === '*' || grant.resource === wanted.resource) &&
  (grant.query === '' || grant.query === wanted.query)

/** Values of a FHIR search are case-sensitive, as ids are: the query is kept as it is written. */
function parse(scope: string): Smart | null {
  const at = scope.includes('?') ? scope.indexOf('?') : scope.length
  const [, level = 'system', resource = '', suffix = '', query = ''] =
    SMART.exec(`${scope.slice(0, at).toLowerCase()}${scope.slice(at)}`) ?? []
  const actions = WORDS.get(suffix) ?? (/^c?r?u?d?s?$/.test(suffix) ? suffix : '')
  return actions === '' ? null : { level, resource, actions, query }
}
