import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { KeyFacts } from './facts.ts'
import type { Surroundings } from './gather.ts'
import { visitWith } from './visit.ts'

interface Known {
  clock: Clock
  /** By upstream id. */
  signers: ReadonlyMap<string, KeyFacts>
  assertion: Surroundings['assertion']
}

/** What is around an upstream, as one config and its keys have it. */
export const surroundings = (
  { upstreams, keys, changed }: Config,
  { clock, signers, assertion }: Known,
  past: Surroundings['past'],
): Surroundings => ({
  ...{ upstreams, past, configChanged: changed, assertion },
  setUrls: new Map(
    [...keys].flatMap(([name, { jwksUrl }]) => (jwksUrl === null ? [] : [[name, jwksUrl]])),
  ),
  keyOf: ({ id }) => signers.get(id) ?? null,
  visit: visitWith(() => clock().monotonic),
  now: () => clock().wall,
})
