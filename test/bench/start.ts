import { atMost, type Bench, median, spreadOf } from './bench.ts'
import { startBroker, startEhr } from './brokers.ts'
import { serverScript, startServer } from './servers.ts'

const ROUNDS = 7

export const start: Bench = {
  name: 'start',
  title: 'from the start of the process to ready, and what it holds idle, with a small config',
  run: async tell => {
    const ehr = await startEhr()
    const ours = { times: [] as number[], memory: [] as number[] }
    const theirs = { times: [] as number[], memory: [] as number[] }
    for (let nth = 0; nth <= ROUNDS; nth++) {
      for (const [kept, open] of [
        [theirs, () => startServer({ name: 'fastify', script: serverScript('idle') })],
        [ours, () => startBroker({ ehr: ehr.origin })],
      ] as const) {
        const server = await open()
        // The first of each fills the caches of the disk.
        if (nth > 0) {
          kept.times.push(server.startedIn)
          kept.memory.push(server.memory() / 2 ** 20)
        }
        await server.stop()
      }
    }
    await ehr.stop()
    tell(`  ${ROUNDS} starts of each, in turn`)
    const row = (what: string, unit: string, of: 'times' | 'memory', most: number) => {
      const ratio = median(ours[of]) / median(theirs[of])
      return {
        ...{ what, value: median(ours[of]), unit, ratio, against: 'fastify that does nothing' },
        ...{ spread: spreadOf(ours[of]), needs: atMost(ratio, most) },
      }
    }
    return [row('start', 'ms', 'times', 1.5), row('idle_memory', 'MiB', 'memory', 1.3)]
  },
}
