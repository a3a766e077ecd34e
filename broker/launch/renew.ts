import type { Clock } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { LaunchTarget } from '../launch-config.ts'
import type { Flights } from '../tokens/single-flight.ts'
import type { Presented } from '../upstream/exchange.ts'
import { type Connection, isFor } from './connection.ts'
import { type Context, contextOf, textIn } from './context.ts'
import type { Held, Keeper } from './keeper.ts'

/** Shows the token endpoint of that EHR a grant. Refused: what `upstream_…` codes say. */
export type PresentGrant = (
  target: LaunchTarget,
  grant: Readonly<Record<string, string>>,
  asked: readonly string[],
) => Promise<Presented>

export interface RenewPorts {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  keeper: Keeper
  flights: Flights<Connection>
  present: PresentGrant
  /** Unlike any other in any broker. */
  newOwner: () => string
  /** Told of a renewal that failed while the token in hand is still good. */
  onFailed: (connection: Connection, error: BrokerError) => void
}

/** The connection with a token that lives for `least` seconds, or as long as the EHR lets one live. */
export type Renew = (target: LaunchTarget, id: string, least: number) => Promise<Connection>

/** Milliseconds. A token with less left is not handed out. */
const FLOOR = 30_000
/** Milliseconds before its end from which a token is renewed, if it lives long: a third of its life otherwise. */
const SOFT = 300_000
/** Milliseconds by which the intent outlives the call that it is for. */
const MARGIN = 5_000
/** Milliseconds between two looks at what another broker is about. */
const POLL = 250

/**
 * One renewal at a time, in this process by its flight, between processes by the intent that is kept before the refresh
 * token is shown: a refresh token that is used twice may be lost, and the connection with it. Where an intent was left
 * by a process that ended, its time is waited for, and the old token is tried again: the EHR takes it, or has ended the
 * connection, which is kept then as over.
 *
 * Refused: `connection_unknown`, `connection_not_granted`, `connection_needs_login`, `connection_busy`,
 * `minimum_ttl_too_long`, and what `present` and the store refuse.
 */
export function renewWith(ports: RenewPorts): Renew {
  const { clock, keeper, flights, onFailed } = ports
  return async (target, id, least) => {
    const held = await find(keeper, id, target)
    const { connection } = held
    if (isFresh(connection, least, clock().wall)) return longEnough(connection, least, clock().wall)
    const renewed = await flights
      .run(id, () => renewNow(target, id, least, ports))
      .catch(thrown => {
        const error = asBrokerError(thrown)
        const isLeft = left(connection, clock().wall) >= Math.max(FLOOR, least * 1000)
        if (!isLeft || ENDING.has(error.code)) throw error
        onFailed(connection, error)
        return connection
      })
    return longEnough(renewed, least, clock().wall)
  }
}

/** What is there, unless nobody could ever have what is asked. */
function longEnough(connection: Connection, least: number, now: number): Connection {
  const { life, refreshToken } = connection
  if (life * 1000 < FLOOR) throw new BrokerError('upstream_life_too_short')
  const isLasting = refreshToken !== null
  const most = isLasting ? life * 1000 : left(connection, now)
  if (least * 1000 > most) throw new BrokerError('minimum_ttl_too_long')
  return connection
}

const ENDING: ReadonlySet<string> = new Set([
  ...['connection_unknown', 'connection_not_granted', 'connection_needs_login'],
])

const left = ({ expiresAt }: Connection, now: number): number => expiresAt - now

/**
 * A token that cannot be renewed is good to the floor. For a caller's sake one is renewed when a third of its life is
 * over, and not sooner, or a careless caller would use up the EHR's patience.
 */
function isFresh(connection: Connection, least: number, now: number): boolean {
  const { isOver, refreshToken } = connection
  if (isOver) return false
  const life = connection.life * 1000
  const remains = left(connection, now)
  const wanted = refreshToken === null ? FLOOR : Math.max(FLOOR, Math.min(SOFT, life / 3))
  const isPaced = refreshToken === null || life - remains < life / 3
  return remains >= wanted && (remains >= least * 1000 || isPaced)
}

async function find(keeper: Keeper, id: string, target: LaunchTarget): Promise<Held> {
  const held = await keeper.get(id)
  if (held === null) throw new BrokerError('connection_unknown')
  if (!isFor(held.connection, target)) throw new BrokerError('connection_not_granted')
  return held
}

async function renewNow(
  target: LaunchTarget,
  id: string,
  least: number,
  ports: RenewPorts,
): Promise<Connection> {
  const { clock, keeper, wait, newOwner } = ports
  const span = target.upstream.deadline * 1000 + MARGIN
  for (const patience = clock().wall + span; ; ) {
    const held = await find(keeper, id, target)
    const { connection } = held
    const now = clock().wall
    if (isFresh(connection, least, now)) return connection
    if (connection.isOver || connection.refreshToken === null)
      throw new BrokerError('connection_needs_login')
    const { renewing } = connection
    if (renewing === null || renewing.until <= now || renewing.until > now + span) {
      const intent = { by: newOwner(), until: now + span }
      const begun = await keeper.replace(held, { ...connection, renewing: intent })
      if (begun !== null) return carryOut(target, begun, connection.refreshToken, ports)
    } else if (now >= patience) throw new BrokerError('connection_busy')
    else await wait(POLL)
  }
}

async function carryOut(
  target: LaunchTarget,
  begun: Held,
  refreshToken: string,
  { keeper, present }: RenewPorts,
): Promise<Connection> {
  const before = begun.connection
  const grant = { grant_type: 'refresh_token', refresh_token: refreshToken }
  let next: Connection
  try {
    next = renewed(before, await present(target, grant, before.scope.split(' ')))
  } catch (thrown) {
    const error = asBrokerError(thrown)
    const isEnded = error.code === 'upstream_invalid_grant'
    const end = isEnded ? { isOver: true, refreshToken: null } : {}
    await keeper.replace(begun, { ...before, ...end, renewing: null })
    throw isEnded ? new BrokerError('connection_needs_login', {}, { cause: error }) : error
  }
  const kept = await keeper.replace(begun, next)
  // Ended meanwhile by its user, or taken over: what came is nobody's.
  if (kept === null) throw new BrokerError('connection_unknown')
  return kept.connection
}

/** The refresh token that comes is the one that counts; where none comes the old one goes on (RFC 6749 §6). */
function renewed(before: Connection, { body, sentAt, ...token }: Presented): Connection {
  const { accessToken, life, scope, kid } = token
  return {
    ...before,
    ...{ accessToken, life, scope, kid, expiresAt: sentAt.wall + life * 1000, renewing: null },
    refreshToken: textIn(body, 'refresh_token') ?? before.refreshToken,
    context: mergedContext(before.context, contextOf(body)),
  }
}

/** A token that is for another patient than the user chose is none of this connection's. */
function mergedContext(before: Context, now: Context): Connection['context'] {
  if (now['patient'] !== undefined && now['patient'] !== before['patient'])
    throw new BrokerError('upstream_reply_malformed', { member: 'patient' })
  return { ...before, ...now }
}

/** What the EHR says of a code or a refresh token is about that one, and not about us. */
export function refuseGrant(thrown: unknown): never {
  const { code, facts, cause } = asBrokerError(thrown)
  if (code === 'upstream_refused' && facts['error'] === 'invalid_grant')
    throw new BrokerError('upstream_invalid_grant', facts, { cause })
  throw thrown
}
