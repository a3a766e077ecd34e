import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { COMPILED } from '../support/processes.ts'

/** The cores: what is measured has one, what asks it has the other. */
export const SERVER_CORE = 0
export const CLIENT_CORE = 1

/** A process that is measured. */
export interface Server {
  name: string
  origin: string
  pid: number
  /** Seconds of CPU that the process has used, all its threads together. */
  cpu: () => number
  /** Bytes that are resident. */
  memory: () => number
  /** Milliseconds from its start to its first line of being ready. */
  startedIn: number
  /** All that it has written. */
  output: () => string
  stop: () => Promise<void>
}

interface Start {
  name: string
  script: string
  args?: readonly string[]
  cwd?: string
  env?: Record<string, string>
  core?: number
  /** The group is the port, or the origin. */
  ready?: RegExp
  nodeOptions?: readonly string[]
}

/** A Node process on one core, once it says that it is ready. */
export async function startServer(wish: Start): Promise<Server> {
  const { name, script, args = [], core = SERVER_CORE, ready = /"?port"?[ :]+(\d+)/ } = wish
  const began = performance.now()
  const child = spawn(
    'taskset',
    ['-c', `${core}`, process.execPath, ...(wish.nodeOptions ?? []), script, ...args],
    {
      ...(wish.cwd !== undefined && { cwd: wish.cwd }),
      // As the image and the systemd unit have it, for every process that is compared.
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED, ...wish.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  const ended = new Promise<void>(done => void child.once('close', () => done()))
  const [, port = ''] = await new Promise<RegExpExecArray>((done, fail) => {
    const look = (chunk: Buffer): void => {
      output += chunk.toString()
      const found = ready.exec(output)
      if (found) done(found)
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    void ended.then(() => fail(new Error(`${name} ended before it was ready:\n${output}`)))
  })
  const startedIn = performance.now() - began
  const pid = child.pid ?? 0
  return {
    ...{ name, pid, startedIn, origin: `http://127.0.0.1:${port}` },
    cpu: () => cpuOf(pid),
    memory: () => residentOf(pid),
    output: () => output,
    stop: () => stopped(child, ended),
  }
}

/** taskset becomes what it starts, so its process is the server's. */
async function stopped(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

/** A clock tick of /proc is a hundredth of a second on every Linux that Node runs on. @see proc_pid_stat(5) */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Bytes that are resident of a process. */
export function residentOf(pid: number): number {
  const [, kilobytes] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

export const serverScript = (name: string): string =>
  join(import.meta.dirname, 'servers', `${name}.ts`)
