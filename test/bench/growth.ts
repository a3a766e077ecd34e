import type { Bench, Row } from './bench.ts'
import { authorization, startBroker, startEhr } from './brokers.ts'
import { inTurn } from './rounds.ts'
import { type Server, serverScript, startServer } from './servers.ts'
import { type Load, wrk } from './wrk.ts'

const SIZES = [1, 100, 10_000]
/** Of the upstreams, how many are asked for in turn: all of them would measure the caches of the processor. */
const ASKED = 100

export const growth: Bench = {
  name: 'growth',
  title: 'hand-outs per second with ever more upstreams',
  run: async tell => {
    const ehr = await startEhr()
    const bare = await startServer({ name: 'bare', script: serverScript('bare') })
    const brokers: Server[] = []
    for (const upstreams of SIZES) {
      const broker = await startBroker({ ehr: ehr.origin, upstreams, alg: 'ES384' })
      brokers.push({ ...broker, name: `${upstreams}` })
    }
    const loadOf = (upstreams: number): Load => ({
      ...{ connections: 64, seconds: 3 },
      requests: Array.from({ length: Math.min(upstreams, ASKED) }, (_, at) => ({
        authorization: authorization(),
        body: `grant_type=client_credentials&audience=u${Math.floor((at * upstreams) / ASKED)}`,
      })),
    })
    const measure = (server: Server) => wrk(server, loadOf(Number(server.name) || 1))
    try {
      for (const server of [bare, ...brokers]) await measure(server)
      const figures = await inTurn([bare, ...brokers], { rounds: 5, busy: 0.95, tell, measure })
      const [one = 0, ...more] = SIZES.map(size => figures.get(`${size}`)?.rate ?? Number.NaN)
      return more.map((value, at): Row => {
        const ratio = value / one
        return {
          ...{ what: `rate_with_${SIZES[at + 1]}_upstreams`, value, unit: '1/s', ratio },
          against: '1 upstream',
          needs: { text: '0.9 to 1.1', isMet: ratio >= 0.9 && ratio <= 1.1 },
        }
      })
    } finally {
      await Promise.all([bare, ehr, ...brokers].map(each => each.stop()))
    }
  },
}
