import { schedule } from 'node-cron'

/** Work that is due now and then, and decides by its own clock what is to be done. */
export interface Tick {
  name: string
  tick: () => Promise<void>
}

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
  const tasks = ticks.map(({ name, tick }) =>
    schedule(EVERY_FIVE_SECONDS, () => tick().catch(error => onError(name, error)), {
      ...{ name, noOverlap: true, suppressMissedWarning: true, unref: true },
    }),
  )
  return async () => {
    await Promise.all(tasks.map(each => each.destroy()))
  }
}
