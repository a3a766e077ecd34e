import { randomBytes, randomUUID } from 'node:crypto'
import { compileAccess, offeredBy } from './access/access.ts'
import { authorise, refuseExcess } from './access/authorise.ts'
import { claimedId } from './access/credential.ts'
import { openDoor } from './access/door.ts'
import { compilePolicy, warmlyWanted } from './access/policy.ts'
import { readAuditTail } from './audit.ts'
import { orderRecord } from './audit-record.ts'
import type { Broker, Ports } from './broker.ts'
import type { Config } from './config.ts'
import type { Cause } from './diagnosis/diagnose.ts'
import { gatherFacts } from './diagnosis/gather.ts'
import { NO_PAST, readPast } from './diagnosis/past.ts'
import { openRefusals } from './diagnosis/refusals.ts'
import { surroundings } from './diagnosis/surroundings.ts'
import { TOKEN_EXCHANGE } from './exchange-connection.ts'
import { openFhirWork } from './fhir-work.ts'
import { buildAdmin } from './http/admin.ts'
import { connectionRoute } from './http/connection-route.ts'
import { documentRoutes } from './http/document-routes.ts'
import type { KeyRoutes } from './http/key-routes.ts'
import { answerKnown } from './http/known-route.ts'
import { listenerFor, refuseTheRest, takeIdentity } from './http/listener.ts'
import { buildMetricsListener } from './http/metrics-listener.ts'
import { reportRoute } from './http/report-route.ts'
import { watchStopping } from './http/stopping.ts'
import { tokenRoute } from './http/token-route.ts'
import type { Rooms } from './issue-token.ts'
import { openKeyWork } from './key-work.ts'
import { openBoard } from './keys/board.ts'
import { openDesk } from './keys/desk.ts'
import type { SigningKey } from './keys/signing-keys.ts'
import { openWatch } from './keys/watch.ts'
import { openWays } from './keys/ways.ts'
import { openKnownRequests } from './known-requests.ts'
import { openLaunchWork } from './launch-work.ts'
import { openMetrics } from './metrics.ts'
import { openRecentRefusals } from './recent-refusals.ts'
import { type LikelyCause, type Status, statusOf } from './status.ts'
import { memoryCache } from './tokens/cache.ts'
import { isShared } from './tokens/cache-key.ts'
import type { FetchPorts } from './tokens/fetch.ts'
import { obtainWith } from './tokens/obtain.ts'
import { keepWarm, reportedWith } from './tokens/renew.ts'
import { openSharing } from './tokens/sharing.ts'
import { singleFlight } from './tokens/single-flight.ts'
import { GOOD_FOR } from './upstream/assertion.ts'
import { persist } from './upstream/attempts.ts'
import { openConnections } from './upstream/connections.ts'
import { compare } from './upstream/discovery.ts'
import { openVisits } from './upstream/discovery-fetch.ts'
import { watchEndpoints } from './upstream/endpoint-watch.ts'
import { exchangeWith } from './upstream/exchange.ts'
import { openGuards } from './upstream/guards.ts'
import { openHistory } from './upstream/history.ts'
import { tellSkew } from './upstream/skew.ts'
import type { Upstream } from './upstream/upstream.ts'

/** Assembly: the rooms made from the config and handed to each other, behind a Fastify. */
export function buildApp(config: Config, ports: Ports): Broker {
  const { clock, chance, wait, audit, log, traces } = ports
  let current = generationOf(config)
  const cache = memoryCache(clock)
  let configRefused: Status['configRefused'] = null
  const startedAt = clock().wall
  const connections = openConnections(ports.proxy)
  const past = readPast(readAuditTail(config.audit.file))
  const metrics = openMetrics(clock)
  const recent = openRecentRefusals(id => current.config.services.has(id))
  const guards = openGuards(clock)
  const sharing = openSharing(config.sharedCache, ports)
  const { shared } = sharing
  const desk = openDesk({
    ...{ clock, chance, log, wait, drawerOf: ports.states.drawerOf },
    boardOf: name => shared && openBoard({ ...shared, name }),
    newName: () => `${ports.host}-${randomUUID().slice(0, 8)}`,
    past: id => {
      const { lastSuccess: at, acceptedKid: kid } = past.get(id) ?? NO_PAST
      return at === null || kid === null ? null : { at, kid }
    },
    // What was refused may have been refused for its key.
    onSwitched: () => cache.forgive(),
  })
  desk.take({ ...config, held: ports.signers })
  const history = openHistory(past)
  for (const [id, { at, kid }] of desk.accepted())
    if (at > (past.get(id)?.lastSuccess ?? 0)) history.worked(id, at, kid)
  const keyOf = (upstream: Upstream): SigningKey | null => desk.handOf(upstream)?.key ?? null
  const watch = openWatch({
    ...{ clock, chance, buster: randomUUID, watchings: desk.watchings, onSeen: desk.seen },
    ways: openWays(() => clock().monotonic, ports.proxy && connections.dispatcherTo),
  })
  const refusals = openRefusals({
    clock,
    gather: (upstream, token) =>
      gatherFacts(
        upstream,
        token,
        surroundings(current.config, { clock, keyOf, assertion: GOOD_FOR }, history.of),
      ),
    onDiagnosed: (upstream, { code, causes }) =>
      log.warn({ upstream: upstream.id, code, causes: causes.map(brief) }, 'why the EHR says no'),
  })
  const signing = {
    ...{ clock, postFor: connections.postFor, newJti: randomUUID },
    ...{ heed: desk.heed, signerFor: desk.signerFor },
    onSigning: (upstream: Upstream, { thumbprint }: { thumbprint: string }) =>
      desk.signing(upstream, thumbprint),
  }
  const exchange = refusals.watch(
    persist({
      ...{ clock, chance, wait, history, guard: guards.guard },
      kidFor: upstream => keyOf(upstream)?.kid ?? null,
      exchange: traces.watchExchange(
        metrics.watchExchange(
          exchangeWith({
            ...signing,
            onAnswer: (upstream, { thumbprint }, answer) =>
              desk.answered(upstream, thumbprint, answer),
            onDate: tellSkew(history, log),
          }),
        ),
      ),
    }),
  )
  const fetching: FetchPorts = {
    ...{ clock, chance, exchange, share: sharing.share },
    cache,
    flights: singleFlight(),
    hasWorked: ({ id }) => history.of(id).lastSuccess !== null,
    onRefreshFailed: (upstream, { code, facts }) =>
      log.warn({ upstream: upstream.id, code, ...facts }, 'refresh failed'),
  }
  const rooms: Rooms = {
    policy: () => current.policy,
    ...openDoor({ clock, wait, dispatcherTo: connections.dispatcherTo }),
    claimedId,
    authorise: (service, ask, { grantsOf, upstreams, disabledOf }) =>
      authorise(grantsOf(service), ask, upstreams, disabledOf(service)),
    obtain: metrics.watchObtain(obtainWith(fetching)),
    refuseExcess,
    ...openKnownRequests(clock, () => current.policy),
    audit: recent.watchAudit(metrics.watchAudit(traces.watchAudit(audit))),
    clock,
  }

  const reported = reportedWith(fetching)
  const visits = openVisits(() => clock().monotonic, ports.proxy)
  const launch =
    config.launch &&
    openLaunchWork(config.launch, {
      ...{ ...signing, wait, log, audit: rooms.audit, random: randomBytes, visits },
      watch: metrics.watchExchange,
      config: () => current.config,
    })
  const app = listenerFor(config, log)
  const stopping = watchStopping(app)
  app.register(documentRoutes, {
    ...{ issuer: config.issuer, docs: config.listen.docs },
    grantTypes: ['client_credentials', ...(launch ? [TOKEN_EXCHANGE] : [])],
    offered: () => offeredBy(current.config.callers.values()),
    hasBegunToStop: stopping.hasBegun,
  })
  const { around } = traces
  const users = launch?.connections ?? null
  const { handedOut } = metrics
  const { listen } = config
  const ahead = answerKnown(app, { rooms, listen, newId: randomUUID, stopping, around, handedOut })
  app.register(tokenRoute, {
    ...{ rooms, connections: users, stopping, around, handedOut, ahead },
  })
  if (users)
    app.register(connectionRoute, {
      ...{ rooms: { ...rooms, redeem: users.redeem }, stopping, around },
    })
  app.register(reportRoute, {
    rooms: { ...rooms, reported, isShared },
    ...{ stopping, around },
  })
  refuseTheRest(app)
  // A broker that asked before it is connected would call EHRs for what others have, and know of no revocation.
  app.addHook('onReady', async () => {
    await sharing.opened
    await desk.meet()
  })
  app.addHook('onClose', async () => {
    // A caller that went away may have left its story half told: it is recorded all the same.
    await stopping.settled()
    const ways = [connections, visits, watch, work, traces]
    await Promise.all(ways.map(each => each.close()))
    await desk.leave()
    sharing.close()
    desk.close()
    await audit.close()
  })
  const status = (): Status =>
    statusOf({
      ...{ clock, startedAt, history, cache: fetching.cache },
      ...{ config: current.config, configRefused, refusals: recent.list },
      breakerOf: guards.breakerOf,
      handOf: desk.handOf,
      environments: desk.environments(),
      overview: work.overview,
      causesOf: ({ id }) => refusals.last.get(id)?.causes.map(brief) ?? [],
    })
  const work = openKeyWork({
    ...{ clock, log, newId: randomUUID, proxy: ports.proxy, environments: desk.environments },
    config: () => current.config,
    ask: async id => {
      const upstream = current.config.upstreams.get(id)
      if (upstream) await exchange(upstream, upstream.scopes)
    },
  })
  const fhir = openFhirWork({
    ...{ ...rooms, config: () => current.config, connections, reported, newId: randomUUID },
  })
  const keys: KeyRoutes = {
    ...work,
    record: order => audit.record(orderRecord(order, randomUUID(), current.policy, clock)),
  }
  const admin = buildAdmin({ token: config.admin.token, log, metrics, status, keys, fhir })
  const scraped = config.metrics && buildMetricsListener(config.metrics, { log, metrics, status })
  const warm = keepWarm({ ...fetching, wanted: () => current.warm })
  const endpoints = watchEndpoints({
    ...{ clock, chance, upstreams: () => current.config.upstreams.values() },
    compare: upstream => compare(upstream, visits.visitBy(upstream)),
    onChanged: ({ id, tokenEndpoint }, named) =>
      log.error(
        { upstream: id, tokenEndpoint, named },
        'the FHIR server names another token endpoint',
      ),
  })
  const abort = (): Promise<void> => {
    sharing.close()
    return connections.close()
  }
  return {
    ...{ app, admin, metrics: scraped, launch: launch?.listener ?? null, abort },
    ticks: [
      { name: 'tokens', tick: warm.tick },
      { name: 'endpoints', tick: endpoints.tick },
      { name: 'keys', tick: desk.tick },
      { name: 'key sets', tick: watch.tick, atOnce: true },
      { name: 'rotations', tick: work.tick },
      ...(launch ? [{ name: 'connections', tick: launch.tick }] : []),
    ],
    take: (next, signers) => {
      current = generationOf(next)
      desk.take({ ...next, held: signers })
      configRefused = null
      fetching.cache.forgive()
      if (next.listen.tls) takeIdentity(app, next.listen.tls)
      if (launch && next.launch?.listen.tls) takeIdentity(launch.listener, next.launch.listen.tls)
      if (scraped && next.metrics?.tls)
        takeIdentity(scraped, { ...next.metrics.tls, clientCa: null })
    },
    refuse: complaints => {
      configRefused = { time: new Date(clock().wall).toISOString(), complaints }
    },
  }
}

const brief = ({ code, certainty, because, fix, who }: Cause): LikelyCause => ({
  ...{ code, certainty, because, fix, who },
})

/** One config with its policy. */
function generationOf(config: Config) {
  const { generation, services, upstreams, disabled } = config
  const access = compileAccess(config.issuer, config.callers)
  const policy = compilePolicy(generation, services, upstreams, access, disabled)
  return { config, policy, warm: warmlyWanted(policy, services.keys()) }
}
