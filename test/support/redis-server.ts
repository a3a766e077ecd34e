import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './processes.ts'

/** A redis-server that keeps nothing on disk. */
export interface Redis {
  port: number
  url: string
  /** As when the machine loses power. */
  kill: () => Promise<void>
  /** Again on the same port, empty. */
  start: () => Promise<void>
  /** Goes on to accept connections, and answers nothing. */
  freeze: () => void
  thaw: () => void
}

interface Wish {
  /** Its working folder. */
  folder: string
  /** Its options; the port is none of them. */
  args?: readonly string[]
  /** Options by which it listens on the port with TLS. */
  tls?: ((port: number) => readonly string[]) | undefined
}

/** Runs until somebody kills it. */
export async function openRedisServer({ folder, args = [], tls }: Wish): Promise<Redis> {
  const port = await freePort()
  const listens = tls?.(port) ?? ['--port', `${port}`]
  const state: { child: ChildProcess | null } = { child: null }
  const kill = async (): Promise<void> => {
    const { child } = state
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  const start = async (): Promise<void> => {
    state.child = await listening([
      ...[...listens, '--bind', '127.0.0.1', '--dir', folder],
      ...['--save', '', '--appendonly', 'no', ...args],
    ])
  }
  await start()
  return {
    ...{ port, kill, start },
    url: tls ? `rediss://localhost:${port}` : `redis://127.0.0.1:${port}`,
    freeze: () => void state.child?.kill('SIGSTOP'),
    thaw: () => void state.child?.kill('SIGCONT'),
  }
}

function listening(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn('/usr/bin/redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', chunk => {
      said += chunk
      if (said.includes('Ready to accept connections')) resolve(child)
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`redis-server ended:\n${said}`)))
  })
}
