/**
 * SMART scopes, v1 and v2, and the forms in which EHRs write them back: Epic answers `Patient.read` or `Patient.Read`
 * where `system/Patient.read` was registered.
 *
 * @see SMART App Launch 2.2, "Scopes for requesting FHIR resources" (v1 `.read` = `.rs`, `.write` = `.cud`)
 */
const SMART = /^(?:(patient|user|system)\/)?([a-z]+|\*)\.([a-z]+|\*)(\?.+)?$/

const WORDS: Readonly<Record<string, string>> = {
  read: 'rs',
  write: 'cud',
  '*': 'cruds',
  search: 's',
  create: 'c',
  update: 'u',
  delete: 'd',
}

interface Smart {
  level: string
  resource: string
  actions: string
  query: string
}

/** RFC 6749 §3.3: one or more tokens of these characters, between single spaces. */
const SCOPE_LIST = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/** The scopes of a list, each once, in a fixed order; null if it is not a list of scopes. */
export function parseScopeList(text: string): string[] | null {
  return SCOPE_LIST.test(text) ? [...new Set(text.split(' '))].sort() : null
}

/** Whether the granted scopes, together, allow all that the asked one does. */
export function covers(granted: readonly string[], asked: string): boolean {
  const wanted = parse(asked)
  if (wanted === null) return granted.some(scope => scope.toLowerCase() === asked.toLowerCase())
  const actions = new Set(
    granted
      .map(parse)
      .filter(scope => scope !== null)
      .filter(
        ({ level, resource }) =>
          level === wanted.level && (resource === '*' || resource === wanted.resource),
      )
      // A grant with a query is narrower than one without.
      .filter(({ query }) => query === '' || query === wanted.query)
      .flatMap(scope => [...scope.actions]),
  )
  return [...wanted.actions].every(action => actions.has(action))
}

function parse(scope: string): Smart | null {
  const [, level = 'system', resource = '', suffix = '', query = ''] =
    SMART.exec(scope.toLowerCase()) ?? []
  const actions = WORDS[suffix] ?? (/^c?r?u?d?s?$/.test(suffix) ? suffix : '')
  return actions === '' ? null : { level, resource, actions, query }
}
