import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { residentOf } from '../../bench/servers.ts'
import {
  BROKER_MAIN,
  COMPILED,
  type Finished,
  type Listening,
  start,
} from '../../support/processes.ts'
import type { Name } from './plan.ts'
import type { Sample } from './slope.ts'
import type { Timeline } from './timeline.ts'

const run = promisify(execFile)

/** Mebibytes. The most that V8 takes for what is young: it would take it at some moment of the soak, and never give it back. */
const YOUNG = 16
const INSIDE = [
  ...['--expose-gc', `--min-semi-space-size=${YOUNG}`, `--max-semi-space-size=${YOUNG}`],
  ...['--import', join(import.meta.dirname, 'inside.ts')],
]
/** Bytes that a full disk still takes, so that a line is cut short. */
const CRUMBS = 137
/** Milliseconds after which a config is in force, or the broker has failed to take it. */
const TAKEN_AFTER = 30_000

/** One process, from its start to its end; seconds of our own clock, bytes. */
export interface Life {
  name: Name
  began: number
  /** Resident. */
  memory: Sample[]
  heap: Sample[]
  handles: Sample[]
}

export interface Replica {
  name: Name
  issuer: string
  audit: string
  lives: Life[]
  /** The last policy that it is known to have taken. */
  taken: () => number
  /** Another config, of the policy of that number. A broker that is up is told by a signal, or not at all. */
  write: (text: string, policy: number, isTold: boolean) => void
  launch: () => Promise<void>
  /** Asks it to stop, or kills it, and starts it again. */
  restart: (isKilled: boolean) => Promise<void>
  /** Its wall clock is off by so many hours. */
  setClock: (hours: number) => Promise<void>
  /** The disk with the audit takes no more, until what is returned is called. */
  fillDisk: () => Promise<() => Promise<void>>
  /** Looks at its memory and its open files, where it is up. */
  look: () => Promise<void>
  hup: () => void
  stop: () => Promise<Finished | null>
  /** What it wrote to stderr, and exit statuses but 0, of all its lives. */
  complaints: string[]
  close: () => Promise<void>
}

interface Wish {
  name: Name
  folder: string
  issuer: string
  timeline: Timeline
}

/** A broker in processes of its own, one after the other. It is not running yet. */
export function openReplica(wish: Wish): Replica {
  const { name, folder, issuer, timeline } = wish
  const config = join(folder, `${name}.yaml`)
  const audit = join(folder, `${name}.ndjson`)
  const state = { taken: 0, written: 0, wallBy: 0 }
  const policies = new Map<string, number>()
  const lives: Life[] = []
  const complaints: string[] = []
  let running: Listening | null = null
  let last: Promise<unknown> = Promise.resolve()

  /** One message at a time; what a broker that ends meanwhile would have said is null. */
  const tell = (message: object): Promise<{ heap: number } | null> => {
    const told = last.then(async () => running?.tell(message).catch(() => null) ?? null)
    last = told
    return told as Promise<{ heap: number } | null>
  }
  /** Afterwards it may hold nothing of what it held. */
  const unsettled = async (work: () => Promise<unknown>): Promise<void> => {
    const settle = timeline.begin(`unsettled ${name}`)
    await work()
    settle()
  }
  const take = (policy: number): void => {
    state.taken = Math.max(state.taken, policy)
  }
  /** Follows its log, for which config it has taken. */
  const follow = async (process: Listening): Promise<void> => {
    let at = 0
    const hasEnded = process.ended.then(() => true)
    while (!(await Promise.race([hasEnded, wait(100, false)]))) {
      const text = process.output()
      const end = text.lastIndexOf('\n') + 1
      for (const [, generation = ''] of text
        .slice(at, end)
        .matchAll(/"config":"(\w+)","msg":"new config taken"/g))
        take(policies.get(generation) ?? 0)
      at = end
    }
  }
  const launch = async (): Promise<void> => {
    const policy = state.written
    const process = await start(BROKER_MAIN, ['--config', `${name}.yaml`], /"msg":"ready"/, {
      ...{ cwd: folder, nodeOptions: INSIDE, hasChannel: true },
      env: {
        WALL_BY: `${state.wallBy}`,
        NODE_COMPILE_CACHE: COMPILED,
      },
    })
    running = process
    // The clock may have been set while it started, when there was nobody to be told.
    await tell({ wallBy: state.wallBy })
    take(policy)
    lives.push({ name, began: performance.now() / 1000, memory: [], heap: [], handles: [] })
    void follow(process)
  }
  const ended = ({ code, signal, stderr }: Finished, isKilled: boolean): void => {
    if (stderr !== '') complaints.push(`${name} wrote to stderr: ${stderr.slice(0, 500)}`)
    if (!isKilled && code !== 0) complaints.push(`${name} ended with ${code ?? signal}`)
  }
  const prlimit = async (limit: string): Promise<void> => {
    if (running)
      await run('prlimit', ['--pid', `${running.pid}`, `--fsize=${limit}`]).catch(() => {})
  }
  const stop = async (isKilled = false): Promise<Finished | null> => {
    const process = running
    if (process === null) return null
    running = null
    const finished = await process.stop(isKilled ? 'SIGKILL' : 'SIGTERM')
    ended(finished, isKilled)
    return finished
  }
  return {
    ...{ name, issuer, audit, lives, complaints, launch },
    taken: () => state.taken,
    write: (text, policy, isTold) => {
      policies.set(hash('sha256', text), policy)
      state.written = policy
      writeFileSync(config, text)
      if (isTold) running?.signal('SIGHUP')
      setTimeout(take, TAKEN_AFTER, policy).unref()
    },
    hup: () => running?.signal('SIGHUP'),
    restart: isKilled =>
      unsettled(async () => {
        const isUp = timeline.begin(`down ${name}`)
        const hasStopped = isKilled ? () => {} : timeline.begin(`stop ${name}`)
        await stop(isKilled)
        hasStopped()
        await launch()
        isUp()
      }),
    setClock: hours =>
      unsettled(async () => {
        state.wallBy = hours * 3_600_000
        await tell({ wallBy: state.wallBy })
      }),
    fillDisk: async () => {
      const isFree = timeline.begin(`disk ${name}`)
      await prlimit(`${statSync(audit).size + CRUMBS}:`)
      return async () => {
        await prlimit('unlimited:')
        isFree()
      }
    },
    look: async () => {
      const told = await tell({})
      const life = lives.at(-1)
      if (told === null || running === null || life === undefined) return
      const { pid } = running
      const at = performance.now() / 1000
      try {
        life.memory.push({ at, value: residentOf(pid) })
        life.handles.push({ at, value: readdirSync(`/proc/${pid}/fd`).length })
        life.heap.push({ at, value: told.heap })
      } catch {
        // It has ended meanwhile.
      }
    },
    stop: () => stop(),
    close: async () => {
      await running?.stop('SIGKILL')
    },
  }
}
