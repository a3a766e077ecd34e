import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { folderWith } from './keys.ts'
import { freePort } from './processes.ts'

/** A redis-server that keeps nothing on disk, until the test ends. */
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

export async function startRedis({
  args = [],
  tls,
}: {
  args?: readonly string[]
  tls?: { cert: string; key: string }
} = {}): Promise<Redis> {
  const port = await freePort()
  const folder = folderWith(tls ? { 'cert.pem': tls.cert, 'key.pem': tls.key } : {})
  const listens = tls
    ? [
        ...['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', join(folder, 'cert.pem'), '--tls-key-file', join(folder, 'key.pem')],
      ]
    : ['--port', `${port}`]
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
  onTestFinished(kill)
  await start()
  return {
    port,
    url: tls ? `rediss://localhost:${port}` : `redis://127.0.0.1:${port}`,
    kill,
    start,
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
