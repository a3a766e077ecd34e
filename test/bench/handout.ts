import { atLeast, atMost, type Bench, type Row } from './bench.ts'
import { authorization, FORM, SECRET, SERVICE, startBroker, startEhr } from './brokers.ts'
import { inTurn, type Measured } from './rounds.ts'
import { type Server, serverScript, startServer } from './servers.ts'
import { type Load, wrk } from './wrk.ts'

const CONNECTIONS = 64
const REQUESTS = [{ authorization: authorization(), body: FORM }]
/** The broker again, where no request is the same as any before. */
const UNKNOWN = 'broker, each request new'

export const handout: Bench = {
  name: 'handout',
  title: 'cached tokens handed out: secret, policy, audit to a file, metrics, 64 connections',
  run: async tell => {
    const ehr = await startEhr()
    const bare = await startServer({ name: 'bare', script: serverScript('bare') })
    const fastify = await startServer({ name: 'fastify', script: serverScript('fastify') })
    const oidc = await startServer({
      ...{ name: 'oidc-provider', script: serverScript('oidc-provider') },
      env: { BENCH_CLIENT: `${SERVICE}:${SECRET}` },
    })
    const broker = await startBroker({ ehr: ehr.origin })
    try {
      const full = await atFullLoad(
        [bare, fastify, oidc, broker, { ...broker, name: UNKNOWN }],
        tell,
      )
      const half = await atHalfLoad([bare, fastify, broker], full.get('bare')?.rate ?? 0, tell)
      return [...rateRows(full), ...latencyRows(half)]
    } finally {
      await Promise.all([bare, fastify, oidc, broker, ehr].map(each => each.stop()))
    }
  },
}

async function atFullLoad(
  servers: readonly Server[],
  tell: (line: string) => void,
): Promise<Map<string, Measured>> {
  const load: Load = { connections: CONNECTIONS, seconds: 2, requests: REQUESTS }
  const fresh = {
    ...load,
    requests: [{ authorization: authorization(), body: `${FORM}&n=000000` }],
  }
  const measure = (server: Server) =>
    wrk(server, server.name === UNKNOWN ? { ...fresh, isFresh: true } : load)
  for (const server of servers) await measure(server)
  return inTurn(servers, { rounds: 5, busy: 0.95, tell, measure })
}

/** Half of what the bare server can do. wrk knows no rate, so that each connection pauses after an answer. */
async function atHalfLoad(
  servers: readonly Server[],
  limit: number,
  tell: (line: string) => void,
): Promise<Map<string, Measured>> {
  const pause = (CONNECTIONS / (limit / 2)) * 1000
  const load: Load = { connections: CONNECTIONS, seconds: 3, requests: REQUESTS, pause }
  return inTurn(servers, { rounds: 3, busy: 0, tell, measure: server => wrk(server, load) })
}

function rateRows(figures: ReadonlyMap<string, Measured>): Row[] {
  const rateOf = (name: string): number => figures.get(name)?.rate ?? Number.NaN
  const row = (against: string, least: number | null, what = 'handout_rate'): Row => {
    const name = what === 'handout_rate' ? 'broker' : UNKNOWN
    const ratio = rateOf(name) / rateOf(against)
    return {
      ...{ what, value: rateOf(name), unit: '1/s', ratio, against },
      spread: figures.get(name)?.rateSpread ?? [Number.NaN, Number.NaN],
      ...(least !== null && { needs: atLeast(ratio, least) }),
    }
  }
  return [
    ...['bare', 'fastify', 'oidc-provider'].map(
      (name): Row => ({
        ...{ what: `${name}_rate`, value: rateOf(name), unit: '1/s', ratio: null, against: null },
        spread: figures.get(name)?.rateSpread ?? [Number.NaN, Number.NaN],
      }),
    ),
    row('fastify', 0.9),
    row('oidc-provider', 4),
    row('bare', null),
    row('fastify', null, 'new_request_rate'),
  ]
}

function latencyRows(figures: ReadonlyMap<string, Measured>): Row[] {
  const [ours, theirs] = [figures.get('broker'), figures.get('fastify')]
  if (!ours || !theirs) return []
  const ratio = ours.p99 / theirs.p99
  return [
    { what: 'fastify_p99', value: theirs.p99, unit: 'ms', ratio: null, against: null },
    {
      ...{ what: 'handout_p99', value: ours.p99, unit: 'ms', ratio, against: 'fastify' },
      ...{ spread: ours.p99Spread, needs: atMost(ratio, 2) },
    },
  ]
}
