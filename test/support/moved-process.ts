import { join } from 'node:path'
import { BROKER_MAIN, PROJECT, type Running, start } from './processes.ts'

/** Node's options for a process whose time stands at MOVED_NOW until it is moved. */
const MOVED = ['--import', join(PROJECT, 'test', 'support', 'moved-time.ts')]

/** A broker whose time is moved. */
export interface MovedBroker extends Running {
  /** Milliseconds since the epoch; what is due then has been done when this settles. */
  moveTo: (now: number) => Promise<unknown>
}

const KILLER = ['--import', join(PROJECT, 'test', 'support', 'kill-at.ts')]

/** The broker of that config, ready, in a process of its own; `kill` is where kill-at.ts is to kill it. */
export async function startMoved(
  cwd: string,
  config: string,
  now: number,
  kill: Readonly<Record<string, string>> = {},
): Promise<MovedBroker> {
  const isKilled = Object.keys(kill).length > 0
  const running = await start(BROKER_MAIN, ['--config', config], /"msg":"ready"/, {
    ...{ cwd, nodeOptions: [...MOVED, ...(isKilled ? KILLER : [])], hasChannel: true },
    env: { MOVED_NOW: `${now}`, ...kill },
  })
  return { ...running, moveTo: to => running.tell({ now: to }) }
}
