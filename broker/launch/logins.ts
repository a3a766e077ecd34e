import { hash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Seal } from '../tokens/sealed.ts'

const PendingSchema = Type.Object({
  upstream: Type.String(),
  verifier: Type.String(),
  nonce: Type.String(),
  /** When it began, in milliseconds since the epoch. */
  at: Type.Number(),
  /** Handed back to the service with the code, so that it can tie the two together. */
  serviceState: Type.Union([Type.String(), Type.Null()]),
})

/** A login between the way to the EHR and the way back. */
export type Pending = Static<typeof PendingSchema>

/** What the browser keeps of one. */
export interface PendingCookie {
  name: string
  value: string
  /** Seconds. */
  life: number
}

export interface Begun {
  state: string
  nonce: string
  challenge: string
  cookie: PendingCookie
}

interface Ports {
  clock: Clock
  seal: Seal
  /** So many random bytes. */
  random: (bytes: number) => Buffer
  /** Whether nobody has spent it before; remembered until then, in milliseconds since the epoch. */
  spend: (stateHash: string, until: number) => Promise<boolean>
}

export interface Logins {
  begin: (upstream: string, serviceState: string | null) => Begun
  /**
   * The login that an answer with this state belongs to, once. Refused: `state_missing`, `state_unknown`,
   * `state_elsewhere`, `state_expired`, `state_used`.
   */
  finish: (
    upstream: string,
    state: string | undefined,
    cookies: ReadonlyMap<string, string>,
  ) => Promise<Pending>
  /** As `finish`, and the state may still be used. */
  look: (
    upstream: string,
    state: string | undefined,
    cookies: ReadonlyMap<string, string>,
  ) => Pending
}

/** Seconds between the way out and the way back. */
const LIFE = 600
/** Random bytes. SMART wants 122 bits of the state; RFC 7636 32 bytes of the verifier. */
const LENGTHS = { state: 18, verifier: 32, nonce: 18 }

const PREFIX = '__Host-lockstep-login.'
/** Logins of one browser at a time, an open tab each. */
const MOST = 20

const shape = Compile(PendingSchema)

/**
 * Logins that are under way. What one needs to remember is in a cookie of the browser that began it, sealed under the
 * state itself: a state from elsewhere opens nothing, a stranger who begins logins fills no memory of ours, and any
 * broker with the same seal keys can finish what another began. What was spent is remembered for as long as it could
 * come again.
 */
export function openLogins({ clock, seal, random, spend }: Ports): Logins {
  const look: Logins['look'] = (upstream, state, cookies) => {
    if (state === undefined) throw new BrokerError('state_missing')
    const sealed = cookies.get(cookieName(state))
    const text = sealed === undefined ? null : seal.open(sealed, `login ${state}`)
    const pending: unknown = text === null ? null : JSON.parse(text)
    if (!shape.Check(pending)) throw new BrokerError('state_unknown')
    if (pending.upstream !== upstream) throw new BrokerError('state_elsewhere')
    const age = clock().wall - pending.at
    if (age > LIFE * 1000 || age < -LIFE * 1000) throw new BrokerError('state_expired')
    return pending
  }
  return {
    look,
    begin: (upstream, serviceState) => {
      const token = (bytes: number): string => random(bytes).toString('base64url')
      const [state, verifier] = [token(LENGTHS.state), token(LENGTHS.verifier)]
      const nonce = token(LENGTHS.nonce)
      const pending: Pending = { upstream, verifier, nonce, at: clock().wall, serviceState }
      const value = seal.seal(JSON.stringify(pending), `login ${state}`)
      const challenge = hash('sha256', verifier, 'base64url')
      return { state, nonce, challenge, cookie: { name: cookieName(state), value, life: LIFE } }
    },
    finish: async (upstream, state, cookies) => {
      const pending = look(upstream, state, cookies)
      const until = pending.at + 2 * LIFE * 1000
      if (!(await spend(hash('sha256', state ?? '', 'hex'), until)))
        throw new BrokerError('state_used')
      return pending
    },
  }
}

/** By the state, so that each tab has its own, and without telling it. */
export const cookieName = (state: string): string =>
  `${PREFIX}${hash('sha256', state, 'hex').slice(0, 16)}`

/** The logins that a browser should forget before it begins another: its cookies would become more than a server reads. */
export function surplusLogins(cookies: ReadonlyMap<string, string>): string[] {
  const names = [...cookies.keys()].filter(name => name.startsWith(PREFIX))
  return names.slice(0, Math.max(0, names.length - MOST + 1))
}
