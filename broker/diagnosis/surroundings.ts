import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Surroundings } from './gather.ts'
import { visitWith } from './visit.ts'

interface Known {
  clock: Clock
  /** The key that signs for it; null where none may. */
  keyOf: Surroundings['keyOf']
  assertion: Surroundings['assertion']
}

/** What is around an upstream, as one config and its keys have it. */
export const surroundings = (
  { upstreams, keys, changed }: Config,
  { clock, keyOf, assertion }: Known,
  past: Surroundings['past'],
): Surroundings => ({
  ...{ upstreams, past, configChanged: changed, assertion },
  setUrls: new Map(
    [...keys].flatMap(([name, { jwksUrl }]) => (jwksUrl === null ? [] : [[name, jwksUrl]])),
  ),
  keyOf,
  visit: visitWith(() => clock().monotonic),
  now: () => clock().wall,
})
