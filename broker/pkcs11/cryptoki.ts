/** An object, a session or a slot, as the library numbers it. */
export type Handle = Buffer

export interface Attribute {
  type: number
  value?: number | boolean | string | Buffer
}

/**
 * What we use of the package's class: its methods are PKCS#11's functions. By a type of our own, since the package is
 * there only where it was asked for.
 *
 * @see https://docs.oasis-open.org/pkcs11/pkcs11-base/v2.40/pkcs11-base-v2.40.html
 */
export interface Cryptoki {
  load: (library: string) => void
  close: () => void
  C_Initialize: (options: { flags: number }) => void
  C_Finalize: () => void
  C_GetSlotList: (tokenPresent: boolean) => Handle[]
  C_GetTokenInfo: (slot: Handle) => { label: string }
  C_GetMechanismList: (slot: Handle) => number[]
  C_OpenSession: (slot: Handle, flags: number) => Handle
  C_CloseSession: (session: Handle) => void
  C_Login: (session: Handle, user: number, pin: string) => void
  C_FindObjectsInit: (session: Handle, template: Attribute[]) => void
  C_FindObjects: (session: Handle, most: number) => Handle[]
  C_FindObjectsFinal: (session: Handle) => void
  C_GetAttributeValue: (
    session: Handle,
    object: Handle,
    template: Attribute[],
  ) => { type: number; value: Buffer }[]
  C_SetAttributeValue: (session: Handle, object: Handle, template: Attribute[]) => void
  C_DestroyObject: (session: Handle, object: Handle) => void
  C_SignInit: (session: Handle, mechanism: { mechanism: number }, key: Handle) => void
  C_SignAsync: (session: Handle, data: Buffer, space: Buffer) => Promise<Buffer>
  C_GenerateKeyPairAsync: (
    session: Handle,
    mechanism: { mechanism: number },
    publicTemplate: Attribute[],
    privateTemplate: Attribute[],
  ) => Promise<{ publicKey: Handle; privateKey: Handle }>
}

/** Numbers of PKCS#11, under its own names. @see pkcs11t.h */
export const CK = {
  CKA_CLASS: 0x00,
  CKA_TOKEN: 0x01,
  CKA_PRIVATE: 0x02,
  CKA_LABEL: 0x03,
  CKA_KEY_TYPE: 0x100,
  CKA_ID: 0x102,
  CKA_SENSITIVE: 0x103,
  CKA_SIGN: 0x108,
  CKA_VERIFY: 0x10a,
  CKA_MODULUS: 0x120,
  CKA_MODULUS_BITS: 0x121,
  CKA_PUBLIC_EXPONENT: 0x122,
  CKA_EXTRACTABLE: 0x162,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKF_OS_LOCKING_OK: 0x02,
  CKF_RW_SESSION: 0x02,
  CKF_SERIAL_SESSION: 0x04,
  CKK_RSA: 0x00,
  CKK_EC: 0x03,
  CKM_RSA_PKCS_KEY_PAIR_GEN: 0x00,
  CKM_RSA_PKCS: 0x01,
  CKM_SHA256_RSA_PKCS: 0x40,
  CKM_SHA384_RSA_PKCS: 0x41,
  CKM_SHA512_RSA_PKCS: 0x42,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKO_PUBLIC_KEY: 0x02,
  CKO_PRIVATE_KEY: 0x03,
  CKU_USER: 0x01,
} as const

/** What installs the package; the manual and complaints name it so. */
export const INSTALL = 'npm ci --prefix broker/pkcs11'

/** As a variable, since the types are not there either where the package is not. */
const PACKAGE: string = 'pkcs11js'

/** A process can initialise a library once, so that all who name one share it. */
const libraries = new Map<string, Cryptoki>()

/** The library, loaded and initialised; or what is wrong: the package or the library is not there. */
export async function openLibrary(
  path: string,
): Promise<Cryptoki | { fault: 'package' | 'library'; ckr: string | null }> {
  const known = libraries.get(path)
  if (known) return known
  let make: new () => Cryptoki
  try {
    make = (await import(PACKAGE)).default.PKCS11
  } catch {
    return { fault: 'package', ckr: null }
  }
  try {
    const library = new make()
    library.load(path)
    library.C_Initialize({ flags: CK.CKF_OS_LOCKING_OK })
    libraries.set(path, library)
    return library
  } catch (error) {
    return { fault: 'library', ckr: ckrOf(error) }
  }
}

/** Ends all use of all libraries: every session and every key of theirs is void. */
export function closeLibraries(): void {
  for (const library of libraries.values()) {
    library.C_Finalize()
    library.close()
  }
  libraries.clear()
}

/** The library's own word for what went wrong, such as CKR_PIN_INCORRECT; null for another error. */
export function ckrOf(error: unknown): string | null {
  const message = error instanceof Error ? error.message : ''
  return /\bCKR_[A-Z0-9_]{1,60}\b/.exec(message)?.[0] ?? null
}
