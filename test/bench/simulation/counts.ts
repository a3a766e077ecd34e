import type { Command } from './store.ts'

/** A call to an EHR. */
export interface Call {
  key: number
  broker: number
  /** Milliseconds. */
  at: number
  /** The process that made it died before it had the answer. */
  isLost: boolean
}

/** What happened in one step. */
export interface Counts {
  /** When it began. */
  since: number
  calls: Call[]
  /** Round trips. */
  commands: Record<Command, number>
  /** Of values, to and from the store. */
  bytes: number
  /** By second. */
  callsAt: Map<number, number>
  commandsAt: Map<number, number>
  /** Hand-outs that waited for a fetch, and of these those that were refused. */
  waited: number
  failed: number
  /** Refreshes behind that failed. */
  refreshFailed: number
  /** Spot checks of what is not simulated, and those that found it wrong. */
  checked: number
  wrong: number
}

export const noCounts = (since: number): Counts => ({
  ...{ since, calls: [], bytes: 0, callsAt: new Map(), commandsAt: new Map() },
  commands: { look: 0, lock: 0, put: 0, unlock: 0, read_board: 0, post_board: 0 },
  ...{ waited: 0, failed: 0, refreshFailed: 0, checked: 0, wrong: 0 },
})

export function countIn(counts: Map<number, number>, moment: number): void {
  const second = Math.floor(moment / 1000)
  counts.set(second, (counts.get(second) ?? 0) + 1)
}

/** A round trip to the store, with so many bytes of values. */
export function countCommand(
  counts: Counts,
  command: Command,
  bytes: number,
  moment: number,
): void {
  counts.commands[command]++
  counts.bytes += bytes
  countIn(counts.commandsAt, moment)
}

/** The most in one second. */
export const peakOf = (counts: ReadonlyMap<number, number>): number =>
  Math.max(0, ...counts.values())

/** Round trips of these kinds. */
export const tripsOf = ({ commands }: Counts): number =>
  Object.values(commands).reduce((sum, each) => sum + each, 0)

/** Calls that came sooner after one for the same than `seconds`. What was lost does not count. */
export function tooSoon(
  calls: readonly Call[],
  seconds: number,
  of: (call: Call) => string,
): number {
  const last = new Map<string, number>()
  let found = 0
  for (const call of calls) {
    if (call.isLost) continue
    const before = last.get(of(call))
    if (before !== undefined && call.at - before < seconds * 1000) found++
    last.set(of(call), call.at)
  }
  return found
}
