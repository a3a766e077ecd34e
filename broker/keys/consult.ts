import type { Environment } from '../../keys-pipeline/key-set.ts'
import { type Clock, remaining, type Span } from '../clock.ts'
import { asBrokerError } from '../errors.ts'
import type { Log } from './alarms.ts'
import type { EnvironmentKeys } from './environment.ts'
import type { Publisher } from './publish.ts'
import { isLive } from './sightings.ts'

interface Ports {
  clock: Clock
  log: Log
  /** Null where there is no repository to ask. */
  publisher: () => Pick<Publisher, 'made' | 'live'> | null
}

type Keys = Pick<EnvironmentKeys, 'situation' | 'state' | 'learn'>

/** Milliseconds, doubled from the first to the most. */
const [FIRST, MOST] = [60_000, 60 * 60_000]
const HOUR = 60 * 60 * 1000
/** A key that has been live for so long is proven for every reader that there is. */
const LONG_AGO = 72 * HOUR

/**
 * Asks the publisher's repository what the broker cannot know of a live key by itself: when it was made, and since when
 * it was live before the broker looked. Once for each key and process: after a restart the watch may have forgotten. What
 * cannot be had is tried again later and later, told once, and costs nothing but the time that the watch takes.
 */
export function openConsult({ clock, log, publisher }: Ports) {
  const known = new Map<Environment, Set<string>>()
  const waits = new Map<Environment, { until: Span; delay: number }>()

  async function ask(environment: Environment, keys: Keys, live: readonly string[]): Promise<void> {
    const from = publisher()
    const { url } = keys.state()
    if (from === null || url === null) return
    try {
      const created = await from.made(environment)
      keys.learn({ created })
      const before = keys.situation().now - LONG_AGO
      keys.learn({ live: await from.live(environment, { url, before }) })
      known.set(environment, new Set(live))
      waits.delete(environment)
    } catch (error) {
      const { code, facts } = asBrokerError(error)
      const last = waits.get(environment)
      const delay = last ? Math.min(MOST, 2 * last.delay) : FIRST
      waits.set(environment, { until: { since: clock(), for: delay }, delay })
      if (!last) log.warn({ environment, code, ...facts }, 'the publisher’s record cannot be had')
    }
  }
  return async (environment: Environment, keys: Keys): Promise<void> => {
    const { keys: facts, watched } = keys.situation()
    const live = facts
      .filter(({ thumbprint, isHere }) => isHere && isLive(watched, thumbprint))
      .map(({ thumbprint }) => thumbprint)
    const wait = waits.get(environment)
    if (wait && remaining(wait.until.since, wait.until.for, clock()) > 0) return
    const before = known.get(environment)
    if (live.some(thumbprint => !before?.has(thumbprint))) await ask(environment, keys, live)
  }
}
