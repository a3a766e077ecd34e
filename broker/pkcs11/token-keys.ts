import { type Crv, CURVES } from '../../keys-pipeline/algorithms.ts'
import { type PublicKey, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { type Attribute, CK, type Cryptoki, type Handle } from './cryptoki.ts'

/** A session of a library: what functions of PKCS#11 go by. */
export interface Session {
  library: Cryptoki
  handle: Handle
}

/** A private key of a token, with its public half. */
export interface TokenKey {
  handle: Handle
  half: PublicKey
}

/** How many of a kind are looked at: a token holds a few. */
const MOST = 1000

/**
 * The RSA and EC private keys of a token that sign, with every complaint. A key's kid is its thumbprint and its alg the
 * default of its type, unless its label says what is registered: `alg:RS256 kid:NAME`, either of them or both.
 */
export function readTokenKeys(
  session: Session,
  where: string,
): { keys: TokenKey[]; complaints: string[] } {
  const keys: TokenKey[] = []
  const complaints: string[] = []
  for (const handle of find(session, { [CK.CKA_CLASS]: CK.CKO_PRIVATE_KEY, [CK.CKA_SIGN]: true })) {
    const [label, id, keyType] = [CK.CKA_LABEL, CK.CKA_ID, CK.CKA_KEY_TYPE].map(
      type => read(session, handle, type) ?? Buffer.alloc(0),
    ) as [Buffer, Buffer, Buffer]
    const name = keyUri(where, id, label)
    const material = publicMembers(session, { handle, id, keyType })
    if (material === null) {
      complaints.push(`${name} has no public half beside it, with the same CKA_ID`)
      continue
    }
    const { key, findings } = toPublicKey(material, name, registeredIn(label.toString('utf8')))
    if (key === null)
      complaints.push(`${name}: ${findings[0]?.message ?? 'not a key that EHRs take'}`)
    else keys.push({ handle, half: key })
  }
  return { keys, complaints }
}

/** What a key is called in a complaint. @see RFC 7512 §2.3 */
function keyUri(where: string, id: Buffer, label: Buffer): string {
  const name =
    id.length > 0
      ? `id=${id.toString('hex').replace(/../g, '%$&')}`
      : `object=${encodeURIComponent(label.toString('utf8'))}`
  return `${where};${name}`
}

function registeredIn(label: string): { kid?: string; alg?: string } {
  const { alg, kid } = /^(?:alg:(?<alg>\S+))?(?: ?kid:(?<kid>.+))?$/.exec(label)?.groups ?? {}
  return { ...(alg !== undefined && { alg }), ...(kid !== undefined && { kid }) }
}

/** What the label of a key says, as `readTokenKeys` reads it. */
export const labelOf = ({ alg, kid }: { alg: string; kid?: string | undefined }): string =>
  kid === undefined ? `alg:${alg}` : `alg:${alg} kid:${kid}`

/** The members of a JWK; null where there is no public half, or of a type of its own. */
function publicMembers(
  session: Session,
  { handle, id, keyType }: { handle: Handle; id: Buffer; keyType: Buffer },
): Record<string, string> | null {
  const type = littleEndian(keyType)
  const halves = id.length === 0 ? [] : find(session, publicWith(id, type))
  // A private RSA key mostly bears its public half; an EC key does not.
  for (const object of [...halves, handle]) {
    const members = type === CK.CKK_RSA ? rsaMembers(session, object) : ecMembers(session, object)
    if (members !== null) return members
  }
  return null
}

const publicWith = (id: Buffer, type: number): Record<number, Attribute['value']> => ({
  [CK.CKA_CLASS]: CK.CKO_PUBLIC_KEY,
  [CK.CKA_KEY_TYPE]: type,
  [CK.CKA_ID]: id,
})

function rsaMembers(session: Session, object: Handle): Record<string, string> | null {
  const [n, e] = [CK.CKA_MODULUS, CK.CKA_PUBLIC_EXPONENT].map(type => read(session, object, type))
  if (!n?.length || !e?.length) return null
  return { kty: 'RSA', n: unsigned(n), e: unsigned(e) }
}

function ecMembers(session: Session, object: Handle): Record<string, string> | null {
  const [params, point] = [CK.CKA_EC_PARAMS, CK.CKA_EC_POINT].map(type =>
    read(session, object, type),
  )
  if (!params || !point?.length) return null
  const crv = crvOf(params)
  const bytes = crv === null ? 0 : CURVES[crv].bytes
  const raw = point.subarray(-(2 * bytes + 1))
  // Some libraries leave the OCTET STRING away that the standard puts around the point.
  const isPoint = crv !== null && raw[0] === 4 && raw.length === 2 * bytes + 1
  return {
    kty: 'EC',
    crv: crv ?? params.toString('hex'),
    x: isPoint ? raw.subarray(1, bytes + 1).toString('base64url') : '',
    y: isPoint ? raw.subarray(bytes + 1).toString('base64url') : '',
  }
}

const crvOf = (params: Buffer): Crv | null =>
  (Object.keys(CURVES) as Crv[]).find(crv => CURVES[crv].oid === params.toString('hex')) ?? null

function find(session: Session, wanted: Record<number, Attribute['value']>): Handle[] {
  const { library, handle } = session
  const template = Object.entries(wanted).map(
    ([type, value]) => ({ type: Number(type), value }) as Attribute,
  )
  library.C_FindObjectsInit(handle, template)
  try {
    return library.C_FindObjects(handle, MOST)
  } finally {
    library.C_FindObjectsFinal(handle)
  }
}

/** Null where the object has no such attribute. */
function read({ library, handle }: Session, object: Handle, type: number): Buffer | null {
  try {
    return library.C_GetAttributeValue(handle, object, [{ type }])[0]?.value ?? null
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error &&
  /CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE|VALUE_INVALID)/.test(error.message)

/** A CK_ULONG, as wide as the machine has it. */
const littleEndian = (bytes: Buffer): number => (bytes.length < 4 ? -1 : bytes.readUInt32LE(0))

/** Without the zero bytes that some libraries put before a number. */
function unsigned(bytes: Buffer): string {
  const first = bytes.findIndex(byte => byte !== 0)
  return bytes.subarray(Math.max(first, 0)).toString('base64url')
}
