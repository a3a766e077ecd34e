import { ALGORITHMS, type Alg, CURVES } from '../../keys-pipeline/algorithms.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { type Attribute, CK, type Handle } from './cryptoki.ts'
import { type OpenSession, type Sessions, TokenFault } from './sessions.ts'
import { labelOf, readTokenKeys } from './token-keys.ts'

export interface Wanted {
  alg: Alg
  /** Of an RSA key. */
  bits: number
  kid?: string | undefined
}

/** Bytes of the name that a pair bears until its thumbprint is known. */
const NAME = 16

/**
 * A new pair, made inside the token, whose private half the token never shows; its CKA_ID is the thumbprint, where the
 * token lets it be changed. Throws TokenFault.
 */
export const generateInToken = (
  sessions: Sessions,
  wanted: Wanted,
  entropy: (bytes: number) => Buffer,
): Promise<PublicKey> =>
  sessions.use(async before => {
    const { library, slot } = before
    // The login of the session that is there counts for this one, which may write.
    const handle = library.C_OpenSession(slot, CK.CKF_SERIAL_SESSION | CK.CKF_RW_SESSION)
    try {
      for (;;) {
        const made = await makePair({ ...before, handle }, wanted, entropy(NAME))
        // It would be an option to every command: see newPair in keys-pipeline/generate.ts.
        if (!made.half.thumbprint.startsWith('-')) return made.half
        for (const each of made.pair) library.C_DestroyObject(handle, each)
      }
    } finally {
      library.C_CloseSession(handle)
    }
  })

async function makePair(
  session: OpenSession,
  { alg, bits, kid }: Wanted,
  id: Buffer,
): Promise<{ half: PublicKey; pair: [Handle, Handle] }> {
  const { library, handle } = session
  const row = ALGORITHMS[alg]
  const both = {
    [CK.CKA_TOKEN]: true,
    [CK.CKA_LABEL]: labelOf({ alg, kid }),
    [CK.CKA_ID]: id,
  }
  const shape =
    row.kty === 'EC'
      ? { [CK.CKA_EC_PARAMS]: Buffer.from(CURVES[row.crv].oid, 'hex') }
      : { [CK.CKA_MODULUS_BITS]: bits, [CK.CKA_PUBLIC_EXPONENT]: Buffer.from([1, 0, 1]) }
  const mechanism = row.kty === 'EC' ? CK.CKM_EC_KEY_PAIR_GEN : CK.CKM_RSA_PKCS_KEY_PAIR_GEN
  const { publicKey, privateKey } = await library.C_GenerateKeyPairAsync(
    handle,
    { mechanism },
    template({ ...both, ...shape, [CK.CKA_PRIVATE]: false, [CK.CKA_VERIFY]: true }),
    template({
      ...both,
      ...{ [CK.CKA_PRIVATE]: true, [CK.CKA_SIGN]: true },
      ...{ [CK.CKA_SENSITIVE]: true, [CK.CKA_EXTRACTABLE]: false },
    }),
  )
  const { keys } = readTokenKeys(session, 'the new key')
  const found = keys.find(key => key.handle.equals(privateKey))
  if (found === undefined) throw new TokenFault('CKR_KEY_HANDLE_INVALID')
  const pair: [Handle, Handle] = [publicKey, privateKey]
  nameByThumbprint(session, pair, { id, thumbprint: found.half.thumbprint })
  return { half: found.half, pair }
}

/** Both halves or neither: by their CKA_ID they find each other. */
function nameByThumbprint(
  { library, handle }: OpenSession,
  [publicKey, privateKey]: [Handle, Handle],
  { id, thumbprint }: { id: Buffer; thumbprint: string },
): void {
  const set = (object: Handle, value: Buffer): void =>
    library.C_SetAttributeValue(handle, object, template({ [CK.CKA_ID]: value }))
  const print = Buffer.from(thumbprint, 'base64url')
  try {
    set(publicKey, print)
  } catch {
    return
  }
  try {
    set(privateKey, print)
  } catch {
    set(publicKey, id)
  }
}

const template = (values: Record<number, Attribute['value']>): Attribute[] =>
  Object.entries(values).map(([type, value]) => ({ type: Number(type), value }) as Attribute)
