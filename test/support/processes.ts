import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import process from 'node:process'

/** The checkout. */
export const PROJECT = dirname(dirname(import.meta.dirname))

/** Where `keepCompiled` keeps it, and the image: for processes that are to read from there all that they import. */
export const COMPILED = join(PROJECT, 'node_modules', '.cache', 'compiled')

export const KEYS_CLI = join(PROJECT, 'keys-pipeline', 'cli.ts')
export const BROKER_CLI = join(PROJECT, 'broker', 'cli.ts')
export const BROKER_MAIN = join(PROJECT, 'broker', 'main.ts')

export interface Finished {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  input?: string
  /** In place of ours, where we may: that user and the group of the same number. */
  uid?: number
  /** Node's own options, before the script. */
  nodeOptions?: string[]
  /** It can be told something: see `Running.tell`. */
  hasChannel?: boolean
}

/** A script of ours, run to its end as a user would from `cwd`. */
export function run(
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const { cwd = PROJECT, env = {}, input = '', nodeOptions = [] } = options
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [...nodeOptions, script, ...args],
      { cwd, env: { ...process.env, INIT_CWD: cwd, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) =>
        resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr }),
    )
    child.stdin?.end(input)
  })
}

/** A script of ours whose reader is gone before it says anything. */
export function runUnheard(script: string, args: readonly string[]): Promise<Finished> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    child.on('close', (code, signal) => resolve({ code, signal, stdout: '', stderr }))
  })
}

export interface Running {
  /** All that it has written so far. */
  output: () => string
  signal: (signal: NodeJS.Signals) => void
  /** Asks it to stop, and answers with how it ended. */
  stop: (signal?: NodeJS.Signals) => Promise<Finished>
}

export interface Listening extends Running {
  pid: number
  /** Settles when it has ended, whoever ended it. */
  ended: Promise<Finished>
  /** Sends it a message, where it has a channel, and waits for the next that it sends; rejected where it ends before. */
  tell: (message: object) => Promise<unknown>
}

/** A script of ours that goes on running; ready once its output matches. */
export async function start(
  script: string,
  args: readonly string[],
  ready: RegExp,
  { cwd = PROJECT, env = {}, uid, nodeOptions = [], hasChannel = false }: RunOptions = {},
): Promise<Listening> {
  const child = spawn(process.execPath, [...nodeOptions, script, ...args], {
    cwd,
    env: { ...process.env, INIT_CWD: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(hasChannel ? (['ipc'] as const) : [])],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  const written = { stdout: '', stderr: '' }
  const output = () => written.stdout + written.stderr
  const ended = new Promise<Finished>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal, ...written }))
  })
  let isReady = false
  await new Promise<void>((done, fail) => {
    const look = (name: keyof typeof written) => (chunk: Buffer) => {
      written[name] += chunk.toString()
      isReady ||= ready.test(output())
      if (isReady) done()
    }
    child.stdout?.on('data', look('stdout'))
    child.stderr?.on('data', look('stderr'))
    void ended.then(({ code }) =>
      fail(new Error(`${script} ended with ${code} before it was ready:\n${output()}`)),
    )
  })
  return {
    ...{ pid: child.pid ?? 0, output, ended },
    signal: signal => void child.kill(signal),
    tell: message => {
      const answer = once(child, 'message').then(([said]) => said)
      child.send(message, () => {})
      return Promise.race([
        answer,
        ended.then(({ code }) => Promise.reject(new Error(`${script} ended with ${code}`))),
      ])
    },
    stop: signal => stopChild(child, ended, signal),
  }
}

async function stopChild(
  child: ChildProcess,
  ended: Promise<Finished>,
  signal: NodeJS.Signals = 'SIGTERM',
) {
  child.kill(signal)
  return ended
}

/** A port that was free a moment ago: for what must know its own address before it listens. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
