import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { inParallel } from '../../broker/in-parallel.ts'
import { atMost, type Bench, median, type Row, spreadOf } from './bench.ts'
import { authorization, layOut, startBroker, startEhr } from './brokers.ts'
import { SERVER_CORE, type Server, serverScript } from './servers.ts'

const UPSTREAMS = 10_000
const STARTS = 3
/** Hand-outs after which a process has what it needs for any number. */
const FIRST = 2000
/** Characters of the EHR's tokens. */
const TOKEN = 800
/** Requests at once. */
const CALLERS = 32

const run = promisify(execFile)

export const tenants: Bench = {
  name: 'tenants',
  title: `${UPSTREAMS} upstreams with a token each: memory, start, and the CPU that keeps them fresh`,
  run: async tell => [await ready(tell), ...(await memory(tell)), ...(await refreshes(tell))],
}

async function ready(tell: (line: string) => void): Promise<Row> {
  const times: number[] = []
  // The first fills the caches of the disk.
  for (let nth = 0; nth <= STARTS; nth++) {
    const broker = await startBroker({ ehr: 'http://127.0.0.1:9', upstreams: UPSTREAMS })
    if (nth > 0) times.push(broker.startedIn / 1000)
    await broker.stop()
  }
  tell(`  ${STARTS} starts`)
  const value = median(times)
  return {
    ...{ what: 'start', value, unit: 's', ratio: value / 3, against: '3 s' },
    ...{ spread: spreadOf(times), needs: atMost(value / 3, 1) },
  }
}

interface Held {
  rss: number
  heap: number
}

async function memory(tell: (line: string) => void): Promise<Row[]> {
  const ehr = await startEhr()
  const nodeOptions = ['--expose-gc', '--import', serverScript('settle')]
  const broker = await startBroker({ ehr: ehr.origin, upstreams: UPSTREAMS, nodeOptions })
  try {
    const idle = await settled(broker)
    const all = Array.from({ length: UPSTREAMS }, (_, at) => at)
    await inParallel(CALLERS, all.slice(0, FIRST), at => handOut(broker, at))
    const begun = await settled(broker)
    await inParallel(CALLERS, all.slice(FIRST), at => handOut(broker, at))
    const full = await settled(broker)
    const shown = ({ rss, heap }: Held) =>
      `${(rss / 2 ** 20).toFixed(0)} MiB resident, ${(heap / 2 ** 20).toFixed(0)} MiB in use`
    tell(`  idle: ${shown(idle)}`)
    tell(`  with ${FIRST} tokens: ${shown(begun)}; with ${UPSTREAMS}: ${shown(full)}`)
    const row = (what: string, bytes: number): Row => {
      const value = (bytes - TOKEN) / 1024
      return { what, value, unit: 'KiB', ratio: value / 3, against: '3 KiB' }
    }
    const resident = row('memory_per_token', (full.rss - idle.rss) / UPSTREAMS)
    return [
      { ...resident, needs: atMost(resident.value / 3, 1) },
      row('memory_per_further_token', (full.rss - begun.rss) / (UPSTREAMS - FIRST)),
      row('heap_per_further_token', (full.heap - begun.heap) / (UPSTREAMS - FIRST)),
    ]
  } finally {
    await Promise.all([broker.stop(), ehr.stop()])
  }
}

async function handOut({ origin }: Server, at: number): Promise<void> {
  const response = await fetch(`${origin}/oauth2/token`, {
    method: 'POST',
    headers: {
      authorization: authorization(),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: `grant_type=client_credentials&audience=u${at}`,
  })
  await response.text()
  if (!response.ok) throw new Error(`the broker answered ${response.status}`)
}

/** What the process holds once all garbage is gone. */
async function settled({ pid, output }: Server): Promise<Held> {
  const before = output().length
  process.kill(pid, 'SIGUSR2')
  for (;;) {
    const [, line] = /^\{"settled":(.*)\}$/m.exec(output().slice(before)) ?? []
    if (line !== undefined) return JSON.parse(line)
    await wait(200)
  }
}

/** An hour of the daemon's schedule in moved time, in a process of its own. */
async function refreshes(tell: (line: string) => void): Promise<Row[]> {
  const ehr = await startEhr()
  const { folder } = await layOut({
    ...{ ehr: ehr.origin, upstreams: UPSTREAMS },
    change: file => {
      for (const each of Object.values(file.upstreams)) each.keepWarm = true
    },
  })
  try {
    const { stdout } = await run('taskset', [
      ...['-c', `${SERVER_CORE}`, process.execPath, serverScript('hour'), folder],
    ])
    const { hour, refreshed, alone, calls }: Hour = JSON.parse(stdout)
    if (refreshed !== UPSTREAMS) throw new Error(`${refreshed} tokens were refreshed`)
    const parts = Object.entries(hour).map(([name, of]) => `${name} ${of.toFixed(2)}`)
    tell(`  seconds of CPU by tick: ${parts.join(', ')}`)
    const value = Object.values(hour).reduce((sum, each) => sum + each, 0)
    const against = 'as many signatures'
    return [
      { what: 'signatures', value: alone, unit: 's', ratio: null, against: null },
      { what: 'calls', value: calls, unit: 's', ratio: calls / alone, against },
      {
        ...{ what: 'refresh_per_hour', value, unit: 's', ratio: value / alone, against },
        needs: atMost(value / alone, 1.2),
      },
    ]
  } finally {
    await ehr.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What servers/hour.ts prints: seconds of CPU. */
interface Hour {
  /** By tick. */
  hour: Record<string, number>
  refreshed: number
  /** As many signatures, and nothing else. */
  alone: number
  /** As many calls of the EHR, and nothing else. */
  calls: number
}
