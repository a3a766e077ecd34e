import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { CURVES, PRIVATE_MEMBERS } from './algorithms.ts'
import { type Finding, finding } from './errors.ts'

/** A key as its file has it, before judgement. */
export type Candidate = Readonly<Record<string, unknown>>

export interface Opened {
  /** `set` when the file is a JWKS, which is a key set of its own when it is linted. */
  form: 'key' | 'set'
  candidates: Candidate[]
  findings: Finding[]
}

/**
 * The bytes of one file to the JWKs in it, whatever form they came in. Private material anywhere in the file ends
 * the reading, and no message repeats any of the file.
 *
 * Refused: `private_*`, `text_encoding`, `form_unknown`, `pem_*`, `several_keys_in_file`, `json_*`, and for PEM and
 * DER keys that have no JWK `kty_unsupported`, `curve_unsupported`, `point_off_curve`.
 */
export function openKeyFile(file: string, bytes: Buffer): Opened {
  const refuse: Refuse = (code, message) => ({
    form: 'key',
    candidates: [],
    findings: [finding(code, file, message)],
  })
  if (bytes[0] === 0x30 && !isText(bytes)) return openDer(bytes, refuse)
  if (isUtf16(bytes)) return refuse('text_encoding', 'the file is UTF-16 text')
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  if (text.trimStart().startsWith('{')) return openJson(text, file, refuse)
  if (text.includes('-----BEGIN ')) return openPem(text, refuse)
  return refuse('form_unknown', 'neither PEM, DER, JWK nor JWKS')
}

type Refuse = (code: Finding['code'], message: string) => Opened

const PUBLIC_LABELS = [
  'PUBLIC KEY',
  'RSA PUBLIC KEY',
  'CERTIFICATE',
  'X509 CERTIFICATE',
  'TRUSTED CERTIFICATE',
]

function openPem(text: string, refuse: Refuse): Opened {
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(match => match[1] ?? '')
  const secret = labels.find(label => label.includes('PRIVATE'))
  if (secret !== undefined) return refuse('private_pem', `the file holds a ${secret}`)
  const known = labels.filter(label => PUBLIC_LABELS.includes(label))
  const [label] = known
  if (label === undefined)
    return refuse('form_unknown', `PEM of type ${labels[0] ?? '(none)'} is not a public key`)
  if (known.length > 1)
    return refuse('several_keys_in_file', `${known.length} keys or certificates in one file`)
  const block = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`).exec(text)
  if (block?.[1] === undefined) return refuse('pem_truncated', `-----END ${label}----- is missing`)
  const der = Buffer.from(block[1], 'base64')
  const pem = block[0].replace(/^[ \t]+/gm, '')
  try {
    if (label.endsWith('CERTIFICATE'))
      return fromKeyObject(new X509Certificate(pem).publicKey, refuse)
    return fromKeyObject(createPublicKey(pem), refuse)
  } catch {
    return unreadable(der, refuse)
  }
}

function openDer(der: Buffer, refuse: Refuse): Opened {
  // PFX ::= SEQUENCE { version INTEGER (3), … } @see RFC 7292 §4
  if (
    contentOf(der)
      .subarray(0, 3)
      .equals(Buffer.from([2, 1, 3]))
  ) {
    return refuse('private_pkcs12', 'the file is a PKCS#12 store')
  }
  if (isPrivateDer(der)) return refuse('private_der', 'the file is a private key in DER')
  try {
    return fromKeyObject(new X509Certificate(der).publicKey, refuse)
  } catch {
    for (const type of ['spki', 'pkcs1'] as const) {
      try {
        return fromKeyObject(createPublicKey({ key: der, format: 'der', type }), refuse)
      } catch {}
    }
    return unreadable(der, refuse)
  }
}

function isPrivateDer(key: Buffer): boolean {
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

function fromKeyObject(key: KeyObject, refuse: Refuse): Opened {
  try {
    const jwk = key.export({ format: 'jwk' })
    return { form: 'key', candidates: [{ ...jwk }], findings: [] }
  } catch {
    if (key.asymmetricKeyType === 'ec') {
      const curve = key.asymmetricKeyDetails?.namedCurve ?? 'unknown'
      return refuse('curve_unsupported', `curve ${curve} is not P-256 or P-384`)
    }
    return refuse('kty_unsupported', `a key of type ${key.asymmetricKeyType} is not RSA or EC`)
  }
}

/** OpenSSL says only "decode error"; an SPKI that names one of our curves failed because of its point. */
function unreadable(der: Buffer, refuse: Refuse): Opened {
  const hex = der.toString('hex')
  const curve = Object.entries(CURVES).find(([, { oid, bytes }]) => {
    const at = hex.indexOf(`${oid}03`)
    return at > 0 && hex.length / 2 >= at / 2 + oid.length / 2 + 2 * bytes
  })
  if (curve) return refuse('point_off_curve', `the point is not on ${curve[0]}`)
  return refuse('pem_unreadable', 'the key in the file cannot be decoded')
}

/** A JWKS nests four deep; members that other tools add, a few more. */
const MOST_DEPTH = 32

function openJson(text: string, file: string, refuse: Refuse): Opened {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may be a private key.
    return refuse('json_unreadable', 'the file is not valid JSON')
  }
  if (!isObject(document)) return refuse('json_unreadable', 'the JSON document is not an object')
  const { members, depth } = measure(text)
  if (depth > MOST_DEPTH) return refuse('json_unreadable', `nested deeper than ${MOST_DEPTH}`)
  const secrets = privateMaterial(document)
  const keys = 'keys' in document ? document['keys'] : undefined
  const form = keys === undefined ? 'key' : 'set'
  if (secrets.length > 0) {
    const findings = secrets.map(({ names, kid }) =>
      finding('private_member', file, `private material: ${names.join(', ')}`, kid),
    )
    return { form, candidates: [], findings }
  }
  if (members !== countMembers(document)) {
    return refuse('json_member_twice', 'an object has the same member twice')
  }
  if (keys === undefined) {
    if ('kty' in document) return { form, candidates: [document], findings: [] }
    return refuse('json_unreadable', 'neither a JWK (no kty) nor a JWKS (no keys)')
  }
  if (!Array.isArray(keys)) return refuse('json_unreadable', '"keys" is not an array')
  const candidates = keys.filter(isObject)
  const findings =
    candidates.length === keys.length
      ? []
      : [finding('key_malformed', file, 'an entry of "keys" is not an object')]
  return { form, candidates, findings }
}

/** Private members and private PEM at any depth: a copy under another name is a leak all the same. */
function privateMaterial(
  value: unknown,
  inside: string | null = null,
): { names: string[]; kid: string | null }[] {
  if (typeof value === 'string') {
    return /-----BEGIN [A-Z0-9 ]*PRIVATE/.test(value)
      ? [{ names: ['a private PEM'], kid: inside }]
      : []
  }
  if (Array.isArray(value)) return value.flatMap(item => privateMaterial(item, inside))
  if (!isObject(value)) return []
  const kid = typeof value['kid'] === 'string' ? value['kid'].slice(0, 128) : inside
  const names = PRIVATE_MEMBERS.filter(name => Object.hasOwn(value, name))
  const nested = Object.values(value).flatMap(item => privateMaterial(item, kid))
  return names.length > 0 ? [{ names: [...names], kid }, ...nested] : nested
}

/**
 * What JSON.parse does not tell. It keeps the last of two members and drops the first unseen, so the names are counted
 * in the text; and it nests without end, which a walk over the result would pay for with the stack.
 */
function measure(text: string): { members: number; depth: number } {
  let [members, depth, open] = [0, 0, 0]
  for (const [token, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[[{]|[\]}]/g)) {
    if (colon !== undefined) members++
    if (token === '[' || token === '{') depth = Math.max(depth, ++open)
    if (token === ']' || token === '}') open--
  }
  return { members, depth }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce<number>((sum, item) => sum + countMembers(item), 0)
  return Array.isArray(value) ? inside : inside + Object.keys(value).length
}

const isObject = (value: unknown): value is Candidate =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What follows the tag and length of a DER SEQUENCE. */
function contentOf(der: Buffer): Buffer {
  const length = der[1] ?? 0
  return der.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f))
}

const isUtf16 = (bytes: Buffer): boolean =>
  (bytes[0] === 0xff && bytes[1] === 0xfe) ||
  (bytes[0] === 0xfe && bytes[1] === 0xff) ||
  bytes.subarray(0, 64).includes(0)

/** A text may begin with the digit 0, which is the byte of a DER SEQUENCE. */
const isText = (bytes: Buffer): boolean =>
  bytes.subarray(0, 256).every(byte => byte >= 0x20 || (byte >= 9 && byte <= 13))
