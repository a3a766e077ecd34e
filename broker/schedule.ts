import { schedule } from 'node-cron'

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

/**
 * The one file in which time drives anything. A tick that is still at work is not begun again; what one throws goes to
 * `onError`. Returns how to stop it all.
 */
export function startSchedule(
  ticks: readonly Tick[],
  onError: (name: string, error: unknown) => void,
): () => Promise<void> {
  for (const { name, tick, atOnce } of ticks)
    if (atOnce) void tick().catch(error => onError(name, error))
  const tasks = ticks.map(({ name, tick }) =>
    schedule(EVERY_FIVE_SECONDS, () => tick().catch(error => onError(name, error)), {
      ...{ name, noOverlap: true, suppressMissedWarning: true, unref: true, logger: SILENT },
    }),
  )
  return async () => {
    await Promise.all(tasks.map(each => each.destroy()))
  }
}
