import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { CURVES } from './algorithms.ts'
import { type Finding, finding } from './errors.ts'
import {
  derLength,
  isPrivateDer,
  MOST_DEPTH,
  measure,
  privateInJson,
  privateInText,
  privateLabel,
} from './private-material.ts'

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
  if (bytes[0] === 0x30 && !isText(bytes)) return openDer(bytes, 'private_der', refuse)
  if (isUtf16(bytes)) return refuse('text_encoding', 'the file is UTF-16 text')
  const text = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
  if (/^\s*[{[]/.test(text)) return openJson(text, file, refuse)
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
  const secret = privateLabel(text)
  if (secret !== undefined) return refuse('private_pem', `a PEM of type ${secret.trim()}`)
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(match => match[1] ?? '')
  const known = labels.filter(label => PUBLIC_LABELS.includes(label))
  const [label] = known
  if (label === undefined)
    return refuse('form_unknown', `PEM of type ${labels[0] ?? '(none)'} is not a public key`)
  if (known.length > 1)
    return refuse('several_keys_in_file', `${known.length} keys or certificates in one file`)
  const block = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`).exec(text)
  if (block?.[1] === undefined) return refuse('pem_truncated', `-----END ${label}----- is missing`)
  const [beside] = privateInText(text.replace(block[0], ''))
  if (beside)
    return refuse('private_member', `private material beside the key: ${beside.names.join(', ')}`)
  return openDer(
    Buffer.from(block[1], 'base64'),
    'private_pem',
    refuse,
    label === 'TRUSTED CERTIFICATE',
  )
}

/** `trusted`: a certificate of OpenSSL's own kind, which has what it is trusted for after it. */
function openDer(
  der: Buffer,
  secret: 'private_der' | 'private_pem',
  refuse: Refuse,
  trusted = false,
): Opened {
  if (isPkcs12(der)) return refuse('private_pkcs12', 'the file is a PKCS#12 store')
  const isPublic = isSpki(der)
  if (!isPublic && isPrivateDer(der)) return refuse(secret, 'the file holds a private key in DER')
  const length = derLength(der)
  const first = der.subarray(0, length)
  for (const open of isPublic ? [openSpki] : OPENERS) {
    try {
      const key = open(first)
      const isAlone = length === der.length || trusted
      return isAlone
        ? fromKeyObject(key, refuse)
        : refuse('several_keys_in_file', 'something follows the key')
    } catch {
      // Not this form; the next one.
    }
  }
  return unreadable(first, refuse)
}

/** As text, which Node opens in half of the time: of an object it first finds out that it is no key yet. */
const openSpki = (key: Buffer): KeyObject =>
  createPublicKey(
    `-----BEGIN PUBLIC KEY-----\n${key.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PUBLIC KEY-----\n`,
  )

const OPENERS: readonly ((der: Buffer) => KeyObject)[] = [
  der => new X509Certificate(der).publicKey,
  openSpki,
  key => createPublicKey({ key, format: 'der', type: 'pkcs1' }),
]

function fromKeyObject(key: KeyObject, refuse: Refuse): Opened {
  try {
    return { form: 'key', candidates: [{ ...key.export({ format: 'jwk' }) }], findings: [] }
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
    return at > 0 && hex.length / 2 >= at / 2 + oid.length / 2 + bytes
  })
  if (curve) return refuse('point_off_curve', `the point is not on ${curve[0]}`)
  return refuse('pem_unreadable', 'the key in the file cannot be decoded')
}

function openJson(text: string, file: string, refuse: Refuse): Opened {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may be a private key.
    const secret = privateLabel(text)
    if (secret !== undefined) return refuse('private_pem', `a PEM of type ${secret.trim()}`)
    return refuse('json_unreadable', 'the file is not valid JSON')
  }
  const { members, depth } = measure(text)
  if (depth > MOST_DEPTH) return refuse('json_unreadable', `nested deeper than ${MOST_DEPTH}`)
  const secrets = privateInJson(document)
  if (secrets.length > 0) {
    const findings = secrets.map(({ names, kid }) =>
      finding('private_member', file, `private material: ${names.join(', ')}`, kid),
    )
    return {
      form: isObject(document) && 'keys' in document ? 'set' : 'key',
      candidates: [],
      findings,
    }
  }
  if (!isObject(document)) return refuse('json_unreadable', 'the JSON document is not an object')
  if (members !== countMembers(document))
    return refuse('json_member_twice', 'an object has the same member twice')
  return openKeys(document, file, refuse)
}

function openKeys(document: Candidate, file: string, refuse: Refuse): Opened {
  const { keys } = document
  if (keys === undefined) {
    if ('kty' in document) return { form: 'key', candidates: [document], findings: [] }
    return refuse('json_unreadable', 'neither a JWK (no kty) nor a JWKS (no keys)')
  }
  if (!Array.isArray(keys)) return refuse('json_unreadable', '"keys" is not an array')
  const candidates = keys.filter(isObject)
  const odd = keys.length - candidates.length
  const findings =
    odd === 0
      ? []
      : [finding('key_malformed', file, `${odd} of the entries of "keys" are not objects`)]
  return { form: 'set', candidates, findings }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce<number>((sum, item) => sum + countMembers(item), 0)
  return Array.isArray(value) ? inside : inside + Object.keys(value).length
}

const isObject = (value: unknown): value is Candidate =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** PFX ::= SEQUENCE { version INTEGER (3), … } @see RFC 7292 §4 */
function isPkcs12(der: Buffer): boolean {
  return contentOf(der)
    .subarray(0, 3)
    .equals(Buffer.from([2, 1, 3]))
}

/**
 * Whether all of it is one SEQUENCE of an AlgorithmIdentifier and a BIT STRING, which no private key is: to look for one
 * there would be most of the work. @see RFC 5280 §4.1 (SubjectPublicKeyInfo) · RFC 5958 §2, §3
 */
function isSpki(der: Buffer): boolean {
  const inside = contentOf(der)
  const key = inside.subarray(derLength(inside))
  return (
    derLength(der) === der.length &&
    inside[0] === SEQUENCE &&
    key[0] === BIT_STRING &&
    derLength(key) === key.length
  )
}

const [SEQUENCE, BIT_STRING] = [0x30, 0x03]

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
