import { BrokerError } from '../errors.ts'

/** A FHIR type, an operation's name; metadata is neither, and is let through by itself. */
const TYPE = /^[A-Z][A-Za-z]{0,63}$/
/** FHIR has 64 characters at the most; some servers' are longer. A dot alone would lead elsewhere. */
const ID = /^(?!\.{1,2}$)[A-Za-z0-9.-]{1,256}$/
const OPERATION = /^\$[a-z][a-z0-9-]{0,63}$/
/** As RFC 3986 §3.4 has it: no fragment, no space, nothing beyond ASCII. */
const QUERY = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%|]{0,4000}$/

/**
 * The URL of something on this FHIR server: `metadata`, `Patient`, `Patient/123`, `Patient/123/_history/1`,
 * `Patient/123/$everything`, each with or without a query. Refused: `fhir_path_unusable`, for whatever could lead to
 * another host or out of the base.
 *
 * @see FHIR R4, RESTful API
 */
export function fhirUrl(
  fhirBase: string,
  { method, path }: { method: 'GET' | 'PUT' | 'POST'; path: string },
): string {
  const at = path.indexOf('?')
  const [steps, query] = at < 0 ? [path, null] : [path.slice(0, at), path.slice(at + 1)]
  const isGood =
    method === 'GET'
      ? isPath(steps.split('/')) && QUERY.test(query ?? '')
      : isWritable(method, steps.split('/')) && query === null
  if (!isGood) throw new BrokerError('fhir_path_unusable')
  const base = fhirBase.replace(/\/$/, '')
  return new URL(`${base}/${steps}${query === null ? '' : `?${query}`}`).href
}

/** POST adds one to a type, PUT replaces one that has an id; operations and conditions are for programs. */
function isWritable(method: 'PUT' | 'POST', [type = '', id = '', ...more]: string[]): boolean {
  if (!TYPE.test(type) || more.length > 0) return false
  return method === 'POST' ? id === '' : ID.test(id)
}

function isPath([type = '', ...steps]: string[]): boolean {
  if (type === 'metadata') return steps.length === 0
  if (!TYPE.test(type)) return false
  const [first = '', second = '', third = '', ...more] = steps
  if (steps.length === 0) return true
  if (more.length > 0) return false
  if (steps.length === 1) return ID.test(first) || OPERATION.test(first)
  if (!ID.test(first)) return false
  if (steps.length === 2) return OPERATION.test(second)
  return second === '_history' && ID.test(third)
}

/** What of it may stay in a record: what a search looks for may be a name or a date of birth. */
export function withoutValues(url: string): string {
  const [path = '', query] = url.split('?')
  if (query === undefined) return path
  const names = query.split('&').map(each => each.split('=')[0] ?? '')
  return `${path}?${names.join('&')}`
}
