import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { atMost, type Bench, median, spreadOf } from './bench.ts'
import { authorization, callsOf, FORM, startBroker, startEhr } from './brokers.ts'
import { CLIENT_CORE, type Server, serverScript, startServer } from './servers.ts'

const CALLERS = 10_000
const UPSTREAM_MS = 200
const ROUNDS = 3

const run = promisify(execFile)

export const burst: Bench = {
  name: 'burst',
  title: `${CALLERS} callers for one token that is not there, from an EHR that takes ${UPSTREAM_MS} ms`,
  run: async tell => {
    const rounds: { calls: number; ours: number; theirs: number }[] = []
    for (let nth = 1; nth <= ROUNDS; nth++) {
      const ehr = await startEhr(UPSTREAM_MS)
      const fastify = await startServer({ name: 'fastify', script: serverScript('fastify') })
      const theirs = await burstOn(fastify)
      await fastify.stop()
      const broker = await startBroker({ ehr: ehr.origin })
      const ours = await burstOn(broker)
      const calls = await callsOf(ehr)
      await Promise.all([broker.stop(), ehr.stop()])
      rounds.push({ calls, ours: at(ours, 0.99), theirs: at(theirs, 1) })
      tell(
        `  round ${nth}: ${calls} call, p99 ${Math.round(at(ours, 0.99))} ms; fastify has answered all in ${Math.round(at(theirs, 1))} ms`,
      )
    }
    const calls = Math.max(...rounds.map(each => each.calls))
    const ours = rounds.map(each => each.ours)
    const bounds = rounds.map(each => 1.5 * UPSTREAM_MS + each.theirs)
    const ratio = median(rounds.map((each, nth) => each.ours / (bounds[nth] ?? 1)))
    return [
      {
        ...{ what: 'burst_calls', value: calls, unit: 'calls', ratio: null, against: null },
        needs: { text: '= 1', isMet: calls === 1 },
      },
      {
        ...{ what: 'burst_p99', value: median(ours), unit: 'ms', ratio },
        against: `1.5 × ${UPSTREAM_MS} ms + fastify`,
        ...{ spread: spreadOf(ours), needs: atMost(ratio, 1) },
      },
    ]
  },
}

/** What each caller waited, in milliseconds, the shortest first. */
async function burstOn(server: Server): Promise<number[]> {
  const script = join(import.meta.dirname, 'callers.ts')
  const args = [server.origin, `${CALLERS}`, authorization(), FORM]
  const { stdout } = await run(
    'taskset',
    ['-c', `${CLIENT_CORE}`, process.execPath, script, ...args],
    { maxBuffer: 2 ** 26 },
  )
  const { bad, waits }: { bad: number; waits: number[] } = JSON.parse(stdout)
  if (bad > 0) throw new Error(`${server.name}: ${bad} of ${CALLERS} callers got no token`)
  return waits
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
