import { randomUUID } from 'node:crypto'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import { authenticate, claimedId } from './access/authenticate.ts'
import { authorise, refuseExcess } from './access/authorise.ts'
import { compilePolicy } from './access/policy.ts'
import type { Audit } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { asBrokerError, BrokerError } from './errors.ts'
import { documentRoutes } from './http/document-routes.ts'
import { logError, sendError } from './http/reply.ts'
import { watchStopping } from './http/stopping.ts'
import { tokenRoute } from './http/token-route.ts'
import type { Rooms } from './issue-token.ts'
import { chooseKey } from './keys/choose.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import { memoryCache } from './tokens/cache.ts'
import { obtainWith } from './tokens/obtain.ts'
import { singleFlight } from './tokens/single-flight.ts'
import { openConnections } from './upstream/connections.ts'
import { exchangeWith } from './upstream/exchange.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What the broker needs of the world, so that a test can give it another one. */
export interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
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
}

/** Assembly: the rooms made from the config and handed to each other, behind a Fastify. */
export function buildApp(config: Config, ports: Ports): Broker {
  const { clock, chance, audit, log, signers } = ports
  const connections = openConnections()
  const exchange = exchangeWith({
    clock,
    newJti: randomUUID,
    signerFor: upstream => signerOf(signers, upstream),
    postFor: connections.postFor,
  })
  const obtain = obtainWith({
    clock,
    chance,
    cache: memoryCache(clock),
    flights: singleFlight(),
    exchange,
    onRefreshFailed: (upstream, { code, facts }) =>
      log.warn({ upstream: upstream.id, code, ...facts }, 'refresh failed'),
  })
  const policy = compilePolicy(
    config.generation,
    config.services,
    config.upstreams,
    config.disabled,
  )
  const rooms: Rooms = {
    policy: () => policy,
    authenticate: (presented, { secretsOf }) => authenticate(presented, secretsOf),
    claimedId,
    authorise: (service, ask, { grantsOf, upstreams, disabledOf }) =>
      authorise(grantsOf(service), ask, upstreams, disabledOf(service)),
    obtain,
    refuseExcess,
    audit,
    clock,
  }

  const app = listenerFor(config, log)
  const stopping = watchStopping(app)
  app.register(documentRoutes, { issuer: config.issuer, hasBegunToStop: stopping.hasBegun })
  app.register(tokenRoute, { rooms, stopping })
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler((_, reply) => sendError(reply, new BrokerError('not_found')))
  app.setErrorHandler((thrown, request, reply) => {
    const error = asBrokerError(thrown)
    logError(request.log, error)
    return sendError(reply, error)
  })
  app.addHook('onClose', async () => {
    // A caller that went away may have left its story half told: it is recorded all the same.
    await stopping.settled()
    await connections.close()
    await audit.close()
  })
  return { app, abort: connections.close }
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

function signerOf(signers: ReadonlyMap<string, SigningKey>, { id }: Upstream): SigningKey {
  const signer = signers.get(id)
  if (!signer) throw new BrokerError('signing_failed', { upstream: id })
  return signer
}
