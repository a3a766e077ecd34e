import { schedule } from 'node-cron'
import type { Clock } from './clock.ts'

/** Work that is due now and then, and decides by its own clock what is to be done. */
export interface Tick {
  name: string
  tick: () => Promise<void>
  /** The first is due at the start. */
  atOnce?: true
}

/** The library would write to the console that a tick takes long, which is no fault. */
const nothing = (): void => {}
const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing }

/** Cron, with seconds. */
const EVERY_FIVE_SECONDS = '*/5 * * * * *'

/** Milliseconds between two looks at the clocks, and by how much one may have moved past the other meanwhile. */
const [LOOK, STEP] = [250, 1_000]

/**
 * The one file in which time drives anything. A tick that is still at work is not begun again; what one throws goes to
 * `onError`. A wall clock that is set, either way, delays no tick by more than its interval. Returns how to stop it all.
 */
export function startSchedule(
  ticks: readonly Tick[],
  clock: Clock,
  onError: (name: string, error: unknown) => void,
): () => Promise<void> {
  for (const { name, tick, atOnce } of ticks)
    if (atOnce) void tick().catch(error => onError(name, error))
  const tasks = ticks.map(({ name, tick }) =>
    schedule(
      EVERY_FIVE_SECONDS,
      alone(() => tick().catch(error => onError(name, error))),
      {
        ...{ name, suppressMissedWarning: true, unref: true, logger: SILENT },
      },
    ),
  )
  const ahead = (): number => clock().wall - clock().monotonic
  let before = ahead()
  const looking = setInterval(() => {
    const now = ahead()
    if (Math.abs(now - before) < STEP) return
    before = now
    // The library waits for a time of day: for a clock that was set back it would wait until that comes again, and after
    // one that was set on it goes through every slot that was left out, a second and more for each day.
    for (const task of tasks) {
      void task.stop()
      void task.start()
    }
  }, LOOK)
  looking.unref()
  return async () => {
    clearInterval(looking)
    await Promise.all(tasks.map(each => each.destroy()))
  }
}

/** The library's own word on overlaps does not outlive a task that is started anew. */
function alone(work: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | null = null
  return () => {
    underWay ??= work().finally(() => {
      underWay = null
    })
    return underWay
  }
}
