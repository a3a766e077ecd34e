import { randomBytes, randomUUID } from 'node:crypto'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import { authenticate, claimedId } from './access/authenticate.ts'
import { authorise, refuseExcess } from './access/authorise.ts'
import { compilePolicy, warmlyWanted } from './access/policy.ts'
import type { Audit } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { asBrokerError, BrokerError } from './errors.ts'
import { documentRoutes } from './http/document-routes.ts'
import { logError, sendError } from './http/reply.ts'
import { reportRoute } from './http/report-route.ts'
import { watchStopping } from './http/stopping.ts'
import { tokenRoute } from './http/token-route.ts'
import type { Rooms } from './issue-token.ts'
import { chooseKey } from './keys/choose.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import type { Tick } from './schedule.ts'
import { memoryCache } from './tokens/cache.ts'
import { cacheKey } from './tokens/cache-key.ts'
import type { FetchPorts } from './tokens/fetch.ts'
import { obtainWith } from './tokens/obtain.ts'
import { openRedis } from './tokens/redis-store.ts'
import { keepWarm, reportedWith } from './tokens/renew.ts'
import { sealWith } from './tokens/sealed.ts'
import { direct, type Share, shareThrough } from './tokens/shared-fetch.ts'
import { singleFlight } from './tokens/single-flight.ts'
import { persist } from './upstream/attempts.ts'
import { openConnections, type WebProxy } from './upstream/connections.ts'
import { exchangeWith } from './upstream/exchange.ts'
import { openGuards } from './upstream/guards.ts'
import { type History, openHistory } from './upstream/history.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What the broker needs of the world, so that a test can give it another one. */
export interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  wait: (milliseconds: number) => Promise<void>
  /** The way out of the building; null for a direct one. */
  proxy: WebProxy | null
  audit: Audit
  log: FastifyBaseLogger
  /** By upstream id. */
  signers: ReadonlyMap<string, SigningKey>
}

/** The key that signs for each upstream, with every complaint about the key folders. */
export function loadSigners(config: Config): {
  signers: Map<string, SigningKey>
  complaints: Complaint[]
} {
  const complaints: Complaint[] = []
  const rings = new Map(
    [...config.keys].map(([environment, { folder, signWith }]) => {
      const loaded = loadSigningKeys(folder)
      complaints.push(
        ...loaded.complaints.map(message => ({ at: `/keys/${environment}/folder`, message })),
      )
      return [environment, { keys: loaded.keys, signWith }]
    }),
  )
  const signers = new Map<string, SigningKey>()
  for (const [environment, { keys, signWith }] of rings) {
    const strange = signWith.filter(kid => !keys.some(key => key.kid === kid))
    if (keys.length > 0 && strange.length > 0) {
      complaints.push({
        at: `/keys/${environment}/signWith`,
        message: `names no key of the folder: ${strange.join(', ')}`,
      })
    }
  }
  for (const { id, environment, alg } of config.upstreams.values()) {
    const ring = rings.get(environment)
    if (!ring || ring.keys.length === 0) continue
    const chosen = chooseKey(environment, alg, ring)
    if (typeof chosen === 'string') complaints.push({ at: `/upstreams/${id}`, message: chosen })
    else signers.set(id, chosen)
  }
  return { signers, complaints }
}

export interface Broker {
  /** Not listening yet. Closing it answers what is under way, then closes the audit. */
  app: FastifyInstance
  /** Ends the calls to EHRs, so that what waits for them is refused, recorded and answered. */
  abort: () => Promise<void>
  /** To be called every few seconds. */
  ticks: readonly Tick[]
}

/** Assembly: the rooms made from the config and handed to each other, behind a Fastify. */
export function buildApp(config: Config, ports: Ports): Broker {
  const { clock, chance, wait, audit, log, signers } = ports
  const connections = openConnections(ports.proxy)
  const history = openHistory()
  const exchange = persist({
    ...{ clock, chance, wait, history, guard: openGuards(clock) },
    exchange: exchangeWith({
      clock,
      newJti: randomUUID,
      signerFor: upstream => signerOf(signers, upstream),
      postFor: connections.postFor,
      onDate: tellSkew(history, log),
    }),
  })
  const sharing = openSharing(config, ports)
  const fetching: FetchPorts = {
    ...{ clock, chance, exchange, share: sharing.share },
    cache: memoryCache(clock),
    flights: singleFlight(),
    hasWorked: ({ id }) => history.of(id).lastSuccess !== null,
    onRefreshFailed: (upstream, { code, facts }) =>
      log.warn({ upstream: upstream.id, code, ...facts }, 'refresh failed'),
  }
  const policy = compilePolicy(config.generation, config.services, config.upstreams)
  const rooms: Rooms = {
    policy: () => policy,
    authenticate: (presented, { secretsOf }) => authenticate(presented, secretsOf),
    claimedId,
    authorise: (service, ask, { grantsOf, upstreams }) =>
      authorise(grantsOf(service), ask, upstreams),
    obtain: obtainWith(fetching),
    refuseExcess,
    audit,
    clock,
  }

  const app = listenerFor(config, log)
  const stopping = watchStopping(app)
  app.register(documentRoutes, { issuer: config.issuer, hasBegunToStop: stopping.hasBegun })
  app.register(tokenRoute, { rooms, stopping })
  app.register(reportRoute, {
    rooms: { ...rooms, reported: reportedWith(fetching), isShared },
    stopping,
  })
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  app.setErrorHandler((thrown, request, reply) => {
    const error = asBrokerError(thrown)
    logError(request.log, error)
    return sendError(reply, error)
  })
  // A broker that asked before it is connected would call EHRs for what others have.
  app.addHook('onReady', () => sharing.opened)
  app.addHook('onClose', async () => {
    // A caller that went away may have left its story half told: it is recorded all the same.
    await stopping.settled()
    await connections.close()
    sharing.close()
    await audit.close()
  })
  const warm = keepWarm({ ...fetching, wanted: () => warmlyWanted(policy, config.services.keys()) })
  const abort = (): Promise<void> => {
    sharing.close()
    return connections.close()
  }
  return { app, abort, ticks: [{ name: 'tokens', tick: warm.tick }] }
}

function listenerFor({ listen }: Config, log: FastifyBaseLogger): FastifyInstance {
  const options = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    trustProxy: listen.trustedProxies.length > 0 ? [...listen.trustedProxies] : false,
    /** Milliseconds for a whole request to arrive: a caller that dribbles holds no connection for ever. */
    requestTimeout: 10_000,
    forceCloseConnections: 'idle' as const,
    frameworkErrors: (_: unknown, __: unknown, reply: FastifyReply) =>
      sendError(reply, new BrokerError('not_found')),
  }
  return listen.tls
    ? (fastify({
        ...options,
        https: { ...listen.tls, minVersion: 'TLSv1.2' },
      }) as unknown as FastifyInstance)
    : fastify(options)
}

/** What other brokers have; without a shared cache, nothing. */
function openSharing(
  { sharedCache }: Config,
  { clock, wait, log }: Ports,
): { share: Share; opened: Promise<void>; close: () => void } {
  if (sharedCache === null) return { share: direct, opened: Promise.resolve(), close: () => {} }
  const store = openRedis(sharedCache, {
    wait,
    onAway: reason => log.warn({ reason }, 'shared cache is away: each broker asks for itself'),
    onBack: () => log.info('shared cache is back'),
  })
  const seal = sealWith(sharedCache.secrets, () => randomBytes(12))
  const share = shareThrough({ clock, wait, store, seal, newOwner: randomUUID })
  return { share, opened: store.opened, close: store.close }
}

/** One token serves two upstreams that differ in name alone. */
const isShared = (one: Upstream, other: Upstream): boolean =>
  cacheKey(one, one.scopes) === cacheKey(other, one.scopes)

/** Seconds. Epic allows no leeway: an assertion is good for a clock of ours that is 60 s fast. */
const MOST_SKEW = 30

/** Keeps the clock of each EHR, and says once when it begins or ceases to be far from ours. */
function tellSkew(history: History, log: FastifyBaseLogger) {
  return ({ id }: Upstream, skew: number): void => {
    const before = Math.abs(history.of(id).skew ?? 0) > MOST_SKEW
    const now = Math.abs(skew) > MOST_SKEW
    history.dated(id, skew)
    if (now !== before)
      log.warn({ upstream: id, skew }, now ? 'clocks differ' : 'clocks agree again')
  }
}

function signerOf(signers: ReadonlyMap<string, SigningKey>, { id }: Upstream): SigningKey {
  const signer = signers.get(id)
  if (!signer) throw new BrokerError('signing_failed', { upstream: id })
  return signer
}
