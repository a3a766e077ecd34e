import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Audit } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { asBrokerError, BrokerError } from './errors.ts'
import type { Connections } from './exchange-connection.ts'
import { isThere, writeNew } from './files.ts'
import { buildLaunchListener } from './http/launch-listener.ts'
import { onceEach } from './launch/answer.ts'
import type { Connection } from './launch/connection.ts'
import { grantedOf } from './launch/finish.ts'
import { openFront } from './launch/front.ts'
import { checkIdToken } from './launch/id-token.ts'
import { openIssuers } from './launch/issuers.ts'
import { type Keeper, openKeeper } from './launch/keeper.ts'
import { openLogins } from './launch/logins.ts'
import { openRedisShelf } from './launch/redis-shelf.ts'
import { refuseGrant, renewWith } from './launch/renew.ts'
import { ALWAYS_COVERED } from './launch/request.ts'
import type { Shelf } from './launch/shelf.ts'
import { openSpent } from './launch/spent.ts'
import { openSqliteShelf } from './launch/sqlite-shelf.ts'
import { openVault } from './launch/vault.ts'
import type { LaunchConfig, LaunchTarget } from './launch-config.ts'
import { coverage } from './scopes.ts'
import { sealWith } from './tokens/sealed.ts'
import { singleFlight } from './tokens/single-flight.ts'
import type { Visits } from './upstream/discovery-fetch.ts'
import { type Present, presentWith } from './upstream/exchange.ts'
import { openGuards } from './upstream/guards.ts'

type SigningPorts = Parameters<typeof presentWith>[0]

interface Ports
  extends Pick<SigningPorts, 'newJti' | 'heed' | 'signerFor' | 'onSigning' | 'postFor'> {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  log: FastifyBaseLogger
  audit: Audit
  random: (bytes: number) => Buffer
  /** Times each call to an EHR. */
  watch: (present: Present) => Present
  visits: Pick<Visits, 'visitBy'>
  config: () => Config
}

/** The user's side, assembled. */
export interface LaunchWork {
  /** Where browsers come. Not listening yet. */
  listener: FastifyInstance
  /** What services have of it. */
  connections: Connections & Pick<Keeper, 'redeem'>
  /** To be called every few seconds. */
  tick: () => Promise<void>
}

/** `launch` is what the process keeps for its life; the upstreams are those of the config in force. */
export function openLaunchWork(launch: LaunchConfig, ports: Ports): LaunchWork {
  const { clock, log, random, audit, wait } = ports
  const seal = sealWith(launch.sealKeys, () => random(12), 'connections')
  const vault = openVault(openShelf(launch, ports), seal, () =>
    log.error('a connection was sealed with a key that is not among sealKeys'),
  )
  const keeper = openKeeper({ clock, vault, random })
  const targets = (): ReadonlyMap<string, LaunchTarget> =>
    ports.config().launch?.targets ?? new Map()
  const present = ports.watch(
    presentWith({
      ...ports,
      // Another client ID than services are served under: what the EHR says of it says nothing of that one.
      ...{ onAnswer: () => {}, onDate: () => {} },
    }),
  )
  const { guard } = openGuards(clock)
  const guarded = (
    { upstream }: LaunchTarget,
    grant: Readonly<Record<string, string>>,
    asked: readonly string[],
  ) => guard(upstream, () => present(upstream, grant, asked)).catch(refuseGrant)
  const front = openFront({
    ...{ clock, keeper, audit, checkIdToken, refuseExcess, present: guarded },
    issuers: openIssuers({ clock, visitBy: ({ upstream }) => ports.visits.visitBy(upstream) }),
    logins: openLogins({
      ...{ clock, seal, random },
      spend:
        ports.config().sharedCache === null
          ? openSpent(clock)
          : (state, until) => vault.put(`spent:${state}`, '', null, until),
    }),
  })
  const listener = buildLaunchListener(launch.listen, log, {
    ...{ front, targets, clock, onceEach, publicUrl: launch.publicUrl, debug: launch.debug },
    generation: () => ports.config().generation,
  })
  listener.addHook('onClose', async () => vault.close())
  return {
    listener,
    connections: {
      ...{ byHandle: keeper.byHandle, redeem: keeper.redeem, targets, refuseExcess, grantedOf },
      renew: renewWith({
        ...{ clock, wait, keeper, present: guarded, flights: singleFlight<Connection>() },
        newOwner: () => random(12).toString('base64url'),
        onFailed: ({ upstream }, { code, facts }) =>
          log.warn({ upstream, code, ...facts }, 'a connection could not be renewed'),
      }),
    },
    tick: openTidying(clock, vault.tidy),
  }
}

/** Milliseconds between two tidyings. */
const TIDY_EVERY = 10 * 60 * 1000

function openTidying(clock: Clock, tidy: () => Promise<void>): () => Promise<void> {
  let last: number | null = null
  return async () => {
    const now = clock().monotonic
    if (last !== null && now - last < TIDY_EVERY) return
    last = now
    await tidy()
  }
}

/** What a user's token may do must lie within what the config asks for: EHRs may give more. */
function refuseExcess({ upstream, scopes }: LaunchTarget, granted: string): void {
  const covered = coverage([...scopes, ...ALWAYS_COVERED])
  const beyond = granted.split(' ').filter(scope => !covered(scope))
  if (beyond.length > 0)
    throw new BrokerError('scope_exceeds_grant', {
      upstream: upstream.id,
      beyond: beyond.join(' ').slice(0, 500),
    })
}

/** In the shared store where there is one, since a browser may come back to another broker. */
function openShelf({ store }: LaunchConfig, { clock, wait, log, config }: Ports): Shelf {
  const { sharedCache } = config()
  if (sharedCache === null) return openStore(store, clock)
  return openRedisShelf(sharedCache, {
    wait,
    onAway: reason => log.error({ reason }, 'the store of connections is away'),
    onBack: () => log.info('the store of connections is back'),
  })
}

function openStore(path: string, clock: Clock) {
  if (!isThere(path)) writeNew(path, '', 0o600)
  return openSqliteShelf(path, clock)
}

/** Why the store of connections cannot be used, before anything begins. */
export function storeFaults({ launch, sharedCache }: Config, clock: Clock): Complaint[] {
  if (launch === null || sharedCache !== null) return []
  try {
    openStore(launch.store, clock).close()
    return []
  } catch (error) {
    const { message } = error instanceof Error ? error : asBrokerError(error)
    return [{ at: '/launch/store', message: `${launch.store} cannot be used (${message})` }]
  }
}
