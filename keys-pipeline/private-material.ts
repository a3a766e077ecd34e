import { createPrivateKey } from 'node:crypto'
import { PRIVATE_MEMBERS } from './algorithms.ts'

/** What of a file is private, as it may be named to people: the members or the kind, never the value. */
export interface Secret {
  names: string[]
  kid: string | null
}

/** A JWKS nests four deep; members that other tools add, a few more. */
export const MOST_DEPTH = 32

/** The label of a private key in PEM anywhere in a text, cut off, quoted or whole. */
export const privateLabel = (text: string): string | undefined =>
  /-----BEGIN ([A-Z0-9 ]*PRIVATE[A-Z0-9 ]*)/.exec(text)?.[1]

/**
 * Private members and private PEM at any depth of a JSON value, in the name of a member, and in JSON that stands in a
 * string: a copy under another name is a leak all the same.
 */
export function privateInJson(value: unknown, inside: string | null = null): Secret[] {
  if (typeof value === 'string') return privateInText(value, inside)
  if (Array.isArray(value)) return value.flatMap(item => privateInJson(item, inside))
  if (typeof value !== 'object' || value === null) return []
  const members: Readonly<Record<string, unknown>> = { ...value }
  const { kid: named } = members
  const kid =
    typeof named === 'string' && privateLabel(named) === undefined ? named.slice(0, 128) : inside
  const names = PRIVATE_MEMBERS.filter(name => Object.hasOwn(members, name))
  const own = names.length > 0 ? [{ names: [...names], kid }] : []
  return [...own, ...Object.entries(value).flatMap(pair => privateInJson(pair, kid))]
}

/** Private PEM in a text, and private members in the JSON that the text is, or that stands in it. */
export function privateInText(text: string, kid: string | null = null): Secret[] {
  const label = privateLabel(text)
  if (label !== undefined) return [{ names: [`a PEM of type ${label.trim()}`], kid: null }]
  const begin = text.search(/[{[]/)
  const end = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'))
  if (begin < 0 || end < begin) return []
  const json = text.slice(begin, end + 1)
  try {
    const value: unknown = JSON.parse(json)
    // Only what parsed is measured: on other text the count would take the square of its length.
    return measure(json).depth > MOST_DEPTH ? [] : privateInJson(value, kid)
  } catch {
    return []
  }
}

/** Values that are looked at one after the other; a file that holds more is refused for that. */
const MOST_VALUES = 8

/** Whether the bytes hold a private key in DER: first, or after something else. */
export function isPrivateDer(bytes: Buffer): boolean {
  let rest = bytes
  for (let count = 0; count < MOST_VALUES && rest.length > 0; count++) {
    if (opensAsPrivate(rest)) return true
    rest = rest.subarray(derLength(rest))
  }
  return false
}

function opensAsPrivate(key: Buffer): boolean {
  return (['pkcs8', 'pkcs1', 'sec1'] as const).some(type => {
    try {
      createPrivateKey({ key, format: 'der', type })
      return true
    } catch (error) {
      // An encrypted PKCS#8 file is recognised, then asks for what we do not have.
      return (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE'
    }
  })
}

/** Bytes of the first DER value, tag and length included; all of them where that cannot be told. @see X.690 §8.1.3 */
export function derLength(der: Buffer): number {
  const first = der[1] ?? 0
  if (first < 0x80) return Math.min(2 + first, der.length)
  const size = first & 0x7f
  if (size === 0 || size > 4 || der.length < 2 + size) return der.length
  return Math.min(2 + size + der.readUIntBE(2, size), der.length)
}

/**
 * What JSON.parse does not tell. It keeps the last of two members and drops the first unseen, so the names are counted
 * in the text; and it nests without end, which a walk over the result would pay for with the stack.
 */
export function measure(text: string): { members: number; depth: number } {
  let [members, depth, open] = [0, 0, 0]
  for (const [token, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[[{]|[\]}]/g)) {
    if (colon !== undefined) members++
    if (token === '[' || token === '{') depth = Math.max(depth, ++open)
    if (token === ']' || token === '}') open--
  }
  return { members, depth }
}
