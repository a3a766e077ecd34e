import { isAlg } from '../../keys-pipeline/algorithms.ts'
import { shown } from '../../keys-pipeline/errors.ts'
import { BrokerError } from '../errors.ts'
import type { SigningKey } from '../keys/signing-keys.ts'
import type { TokenSource } from '../keys-config.ts'
import { type Cryptoki, closeLibraries, INSTALL, openLibrary } from './cryptoki.ts'
import { mechanismFor } from './mechanisms.ts'
import { labelledSlots, openSessions, type Sessions, TokenFault } from './sessions.ts'
import type { TokenKey } from './token-keys.ts'

/** What is wrong, and with which of the settings; '' for all of them. */
export interface TokenComplaint {
  setting: '' | '/library' | '/token' | '/pinFile'
  message: string
}

/** By library and label. Every generation of a config has the same sessions. */
const tokens = new Map<string, Sessions>()

/**
 * The keys of a token, each of which signs inside it, with every complaint about the token. A login of the process stays:
 * a new PIN counts from the next one on.
 */
export async function loadTokenKeys(
  source: TokenSource,
): Promise<{ keys: SigningKey[]; complaints: TokenComplaint[] }> {
  const opened = await openToken(source)
  if ('message' in opened) return { keys: [], complaints: [opened] }
  const { sessions, offered } = opened
  const before = sessions.setPin(source.pin.text)
  try {
    const { keys, complaints } = await sessions.reread()
    const all = complaints.map((message): TokenComplaint => ({ setting: '/token', message }))
    if (keys.length === 0 && all.length === 0)
      all.push({ setting: '/token', message: `${source.label} holds no private key that signs` })
    const made = keys.map(key => signingKey(key, source.label, sessions, offered))
    return {
      keys: made.filter(each => 'signJwt' in each),
      complaints: [...all, ...made.filter(each => 'message' in each)],
    }
  } catch (error) {
    // The config is not taken, and the one before may still sign.
    sessions.setPin(before)
    return { keys: [], complaints: [loginFault(source, error)] }
  }
}

/** Ends all sessions: keys that were loaded sign no longer. */
export function closeTokens(): void {
  tokens.clear()
  closeLibraries()
}

/** The sessions of a token and the mechanisms it has, or what is wrong. Nobody has logged in yet. */
export async function openToken({
  library: path,
  label,
  pin,
}: TokenSource): Promise<{ sessions: Sessions; offered: number[] } | TokenComplaint> {
  const library = await openLibrary(path)
  if ('fault' in library) {
    if (library.fault === 'package')
      return { setting: '', message: `needs a package that is not installed: ${INSTALL}` }
    const why = library.ckr ?? 'is it there, and made for this machine?'
    return { setting: '/library', message: `${path} cannot be loaded (${why})` }
  }
  try {
    return openSlot(library, label, pin.text, JSON.stringify([path, label]))
  } catch (error) {
    return loginFault({ library: path, label, pin }, error)
  }
}

function openSlot(
  library: Cryptoki,
  label: string,
  pin: string,
  name: string,
): { sessions: Sessions; offered: number[] } | TokenComplaint {
  const all = labelledSlots(library)
  const [found, ...others] = all.filter(each => each.label === label)
  if (found === undefined) {
    const known = all.map(each => each.label).filter(each => each !== '')
    const there = known.length === 0 ? 'no token at all' : shown(known.join(', '))
    return { setting: '/token', message: `is no token of the library, which has ${there}` }
  }
  if (others.length > 0)
    return {
      setting: '/token',
      message: `${others.length + 1} tokens of the library are called so`,
    }
  const sessions = tokens.get(name) ?? openSessions(library, label, pin)
  tokens.set(name, sessions)
  return { sessions, offered: library.C_GetMechanismList(found.slot) }
}

function loginFault({ label, pin }: TokenSource, error: unknown): TokenComplaint {
  const ckr = error instanceof TokenFault ? error.ckr : 'unknown'
  return ckr.startsWith('CKR_PIN_')
    ? { setting: '/pinFile', message: `${pin.file} does not open ${label} (${ckr})` }
    : { setting: '/token', message: `${label} cannot be used (${ckr})` }
}

function signingKey(
  { half }: TokenKey,
  label: string,
  sessions: Sessions,
  offered: readonly number[],
): SigningKey | TokenComplaint {
  const { jwk, thumbprint, bits, file } = half
  const { kid, alg } = jwk
  const mechanism = mechanismFor(alg, offered, bits)
  if (mechanism === null)
    return { setting: '/token', message: `${file}: ${label} cannot sign ${alg}` }
  // An EHR may know the key under another alg than its own.
  const mechanismOf = (asked: string) =>
    asked === alg ? mechanism : isAlg(asked) ? mechanismFor(asked, offered, bits) : null
  const sign = (input: Buffer, by: NonNullable<typeof mechanism>): Promise<Buffer> =>
    sessions.use(async ({ library, handle, keys }) => {
      const key = keys.find(each => each.half.thumbprint === thumbprint)
      if (key === undefined) throw new TokenFault('CKR_KEY_HANDLE_INVALID')
      library.C_SignInit(handle, by, key.handle)
      return library.C_SignAsync(handle, by.prepare(input), Buffer.alloc(by.most))
    })
  return {
    ...{ kid, alg, thumbprint, jwk, file, since: null },
    signJwt: async (header, claims) => {
      const input = `${encode(header)}.${encode(claims)}`
      const by = mechanismOf(header.alg)
      if (by === null) throw new BrokerError('signing_failed', { kid, reason: 'alg' })
      try {
        return `${input}.${(await sign(Buffer.from(input), by)).toString('base64url')}`
      } catch (error) {
        const reason = error instanceof TokenFault ? error.ckr : 'unknown'
        throw new BrokerError('signing_failed', { kid, reason }, { cause: error })
      }
    },
  }
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
