import { BrokerError } from '../errors.ts'

/** What the EHR said beside the token: the patient, the encounter, and whatever else it is set up to tell. */
export type Context = Readonly<Record<string, unknown>>

/** Of the token itself, or a secret. */
const NOT_CONTEXT = new Set([
  ...['access_token', 'token_type', 'expires_in', 'scope', 'refresh_token', 'id_token', 'state'],
])

/** Bytes as JSON. */
const MOST = 16 * 1024

/**
 * The context of a token response. It is kept, since the answer to a refresh does not repeat it. SMART has
 * `need_patient_banner` as a boolean, Epic writes it as text: here it is a boolean.
 *
 * Refused: `upstream_reply_malformed`.
 *
 * @see SMART App Launch 2.2, "Launch context arrives with your access_token"
 */
export function contextOf(body: Readonly<Record<string, unknown>>): Context {
  const own = Object.entries(body).filter(([name, value]) => isContext(name) && value !== null)
  const context = Object.fromEntries(
    own.map(([name, value]) => [name, name === 'need_patient_banner' ? booleanOf(value) : value]),
  )
  for (const name of ['patient', 'encounter'] as const)
    if (context[name] !== undefined && typeof context[name] !== 'string') throw malformed(name)
  if (Buffer.byteLength(JSON.stringify(context)) > MOST) throw malformed('context')
  return context
}

const isContext = (name: string): boolean => !NOT_CONTEXT.has(name) && name !== '__proto__'

function booleanOf(value: unknown): boolean {
  const text = String(value).toLowerCase()
  if (text === 'true' || text === 'false') return text === 'true'
  throw malformed('need_patient_banner')
}

const malformed = (member: string): BrokerError =>
  new BrokerError('upstream_reply_malformed', { member })

/** A member that is text, or null where there is none. */
export function textIn(body: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = body[name]
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string') throw malformed(name)
  return value
}
