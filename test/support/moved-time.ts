/**
 * Loaded with `node --import`: the process's time stands at MOVED_NOW (milliseconds since the epoch) until its parent
 * sends `{ now }`. Then all that it has scheduled is called once, and the parent is told when that has ended.
 */
import { createRequire, registerHooks, syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import { callScheduled } from './moved-ticks.ts'

const begun = Number(process.env['MOVED_NOW'])
let now = begun

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now] : args, newTarget),
})
Date.now = () => now
performance.now = () => now - begun + 1000

// Between two requests GitHub's library waits by the machine's clock, which nobody moves.
const { setTimeout: real } = globalThis
const isPacing = (): boolean => new Error().stack?.includes('bottleneck') ?? false
globalThis.setTimeout = ((work: () => void, delay?: number, ...args: unknown[]) =>
  real(work as never, isPacing() ? 0 : delay, ...(args as []))) as typeof setTimeout

// A store has 45 ms for a command, on a machine that has nothing else to do.
const LONGER = 100
const isStore = (): boolean => new Error().stack?.includes('redis-store.ts') ?? false
const timers = createRequire(import.meta.url)('node:timers/promises') as Record<string, Pause>
type Pause = (delay: number, ...args: unknown[]) => Promise<unknown>
const { setTimeout: pause } = timers
if (pause === undefined) throw new Error('node:timers/promises')
timers['setTimeout'] = (delay, ...args) => pause(isStore() ? delay * LONGER : delay, ...args)
syncBuiltinESMExports()

const ticks = new URL('./moved-ticks.ts', import.meta.url).href
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'node-cron' ? { url: ticks, shortCircuit: true } : next(specifier, context),
})

process.on('message', async (message: { now: number }) => {
  now = message.now
  await callScheduled()
  process.send?.(message)
})
process.channel?.unref()
