import { CK, type Cryptoki, ckrOf, type Handle } from './cryptoki.ts'
import { readTokenKeys, type Session, type TokenKey } from './token-keys.ts'

/** A session with what it sees: the keys' handles are good in it, for as long as it is. */
export interface OpenSession extends Session {
  slot: Handle
  keys: readonly TokenKey[]
  complaints: readonly string[]
}

export interface Sessions {
  /** Does something in a session that nobody else uses meanwhile; after a failure once more, in a new one. */
  use: <T>(work: (session: OpenSession) => Promise<T>) => Promise<T>
  /** The keys as they are now. */
  reread: () => Promise<{ keys: readonly TokenKey[]; complaints: readonly string[] }>
  /** From the next login on. What was refused before is offered once more. Answers with the PIN before. */
  setPin: (pin: string) => string
}

/** What a token has no session for, or a session of it could not do: the library's word for it. */
export class TokenFault extends Error {
  readonly ckr: string

  constructor(ckr: string, options?: ErrorOptions) {
    super(ckr, options)
    this.name = 'TokenFault'
    this.ckr = ckr
  }
}

/** Sessions of one token at once. Node has four threads for such work. */
const LANES = 4

interface Lane {
  session: OpenSession | null
  /** Which reading of the token's keys the session was opened for. */
  read: number
  /** Done when the lane is free. */
  tail: Promise<unknown>
}

/**
 * The sessions of one token, opened when they are needed. A session does one thing at a time; its loss, or the token's,
 * is met by a new session and a new login. A PIN that was refused is never offered again by itself: tokens lock
 * after a few wrong ones.
 */
export function openSessions(library: Cryptoki, label: string, firstPin: string): Sessions {
  const lanes: Lane[] = Array.from({ length: LANES }, () => ({
    ...{ session: null, read: 0 },
    tail: Promise.resolve(),
  }))
  let pin = firstPin
  let refused: TokenFault | null = null
  let next = 0
  let reads = 0

  const login = (session: Handle): void => {
    if (refused) throw refused
    try {
      library.C_Login(session, CK.CKU_USER, pin)
    } catch (error) {
      const ckr = ckrOf(error) ?? 'unknown'
      // A login holds for all sessions of a process.
      if (ckr === 'CKR_USER_ALREADY_LOGGED_IN') return
      const fault = new TokenFault(ckr)
      if (ckr.startsWith('CKR_PIN_')) refused = fault
      throw fault
    }
  }

  const open = (): OpenSession => {
    const slot = slotOf(library, label)
    const handle = library.C_OpenSession(slot, CK.CKF_SERIAL_SESSION)
    try {
      login(handle)
      const session = { library, handle, slot }
      return { ...session, ...readTokenKeys(session, `pkcs11:token=${encodeURIComponent(label)}`) }
    } catch (error) {
      closeQuietly(library, handle)
      throw error
    }
  }

  // The new one first: with the last session of a process its login ends, and a new PIN may not be the right one.
  const renew = (lane: Lane): OpenSession => {
    const { session: before } = lane
    lane.session = null
    try {
      lane.session = open()
      lane.read = reads
      return lane.session
    } finally {
      if (before) closeQuietly(library, before.handle)
    }
  }

  const inLane = async <T>(lane: Lane, work: (session: OpenSession) => Promise<T>): Promise<T> => {
    try {
      return await work(lane.session && lane.read === reads ? lane.session : renew(lane))
    } catch {
      // Once more, in a new session.
    }
    try {
      return await work(renew(lane))
    } catch (error) {
      throw error instanceof TokenFault ? error : new TokenFault(ckrOf(error) ?? 'unknown')
    }
  }

  const use = <T>(work: (session: OpenSession) => Promise<T>): Promise<T> => {
    const lane = lanes[next++ % LANES] as Lane
    const done = lane.tail.then(() => inLane(lane, work))
    lane.tail = done.catch(() => {})
    return done
  }

  return {
    use,
    reread: () => {
      // A key that has come since is known to no open session.
      reads++
      return use(async ({ keys, complaints }) => ({ keys, complaints }))
    },
    setPin: given => {
      const before = pin
      pin = given
      refused = null
      return before
    },
  }
}

/** Refused: a label that no token has, or several. */
function slotOf(library: Cryptoki, label: string): Handle {
  const labels = labelledSlots(library)
  const [slot, ...others] = labels.filter(each => each.label === label)
  if (slot === undefined) throw new TokenFault('CKR_TOKEN_NOT_PRESENT')
  if (others.length > 0) throw new TokenFault('CKR_SLOT_ID_INVALID')
  return slot.slot
}

/**
 * The slots with a token in them, each with its label, which the standard fills up with blanks. One whose token cannot be
 * asked, as where it has just been taken out, is none.
 */
export function labelledSlots(library: Cryptoki): { slot: Handle; label: string }[] {
  return library.C_GetSlotList(true).flatMap(slot => {
    try {
      return [{ slot, label: library.C_GetTokenInfo(slot).label.trimEnd() }]
    } catch {
      return []
    }
  })
}

function closeQuietly(library: Cryptoki, session: Handle): void {
  try {
    library.C_CloseSession(session)
  } catch {
    // It went with the token.
  }
}
