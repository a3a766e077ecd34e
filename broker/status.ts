import type { Environment } from '../keys-pipeline/key-set.ts'
import { type Clock, remaining } from './clock.ts'
import type { Config, ConfigError } from './config.ts'
import type { ErrorCode } from './errors.ts'
import type { EnvironmentKeys, Hand } from './keys/environment.ts'
import type { KeyOverview } from './keys/overview.ts'
import type { Because } from './keys/rotation.ts'
import type { Refused } from './recent-refusals.ts'
import type { TokenCache } from './tokens/cache.ts'
import type { BreakerState } from './upstream/guards.ts'
import type { History } from './upstream/history.ts'
import type { DisabledUpstream, Upstream } from './upstream/upstream.ts'

/** What an operator should see of the broker at a glance; nothing of it is secret, and none of it a patient's. */
export interface Status {
  /** ISO 8601, UTC. */
  time: string
  startedAt: string
  /** SHA-256 of the config in force. */
  config: string
  /** Why the config that is there now is not the one in force, and since when; null where it is. */
  configRefused: { time: string; complaints: ConfigError['complaints'] } | null
  upstreams: UpstreamStatus[]
  /** By environment. */
  keys: KeyOverview[]
  /** Those that are switched off. */
  disabled: readonly DisabledUpstream[]
  /** The last decisions against somebody, the latest first. */
  refusals: Refused[]
}

export interface UpstreamStatus {
  id: string
  fhirBase: string
  environment: Environment
  clientId: string
  profile: string
  /** The key that signs for it; null where there is none. */
  kid: string | null
  /** When that key was made, as far as is known. */
  keySince: string | null
  /** Why that key signs, and since when it has signed for this upstream. */
  because: Because | null
  signsSince: string | null
  /** `untried`: nobody asked for a token yet. `failing`: it worked before. `never_worked`: it did not. */
  state: 'working' | 'failing' | 'never_worked' | 'untried'
  lastSuccess: string | null
  lastFailure: { time: string; code: ErrorCode; status: number | null } | null
  /** Failures since the last success. */
  failures: number
  breaker: BreakerState
  /** Seconds by which its clock is ahead of ours. */
  skew: number | null
  /** Why it says no, the likeliest first; none where it works, or where nobody looked yet. */
  causes: LikelyCause[]
  /** A token that is held: the seconds of its life, those that are left and those until it is refreshed. */
  tokens: { scope: string; life: number; expiresIn: number; refreshIn: number }[]
}

export interface LikelyCause {
  code: string
  certainty: string
  because: string
  fix: string
  who: string
}

export interface StatusPorts {
  clock: Clock
  /** Milliseconds since the epoch. */
  startedAt: number
  config: Pick<Config, 'generation' | 'upstreams' | 'disabled'>
  configRefused: Status['configRefused']
  handOf: (upstream: Upstream) => Hand | null
  environments: ReadonlyMap<Environment, Pick<EnvironmentKeys, 'situation'>>
  overview: () => KeyOverview[]
  causesOf: (upstream: Upstream) => LikelyCause[]
  breakerOf: (upstream: Upstream) => BreakerState
  refusals: () => Refused[]
  history: History
  cache: TokenCache
}

export function statusOf(ports: StatusPorts): Status {
  const { clock, startedAt, config, cache } = ports
  const held = Map.groupBy(cache.entries(), ([, { wanted }]) => wanted.upstream.id)
  return {
    time: iso(clock().wall),
    startedAt: iso(startedAt),
    config: config.generation,
    configRefused: ports.configRefused,
    upstreams: [...config.upstreams.values()].map(upstream => ({
      ...standingOf(upstream, ports),
      tokens: (held.get(upstream.id) ?? []).map(([, { token }]) => ({
        scope: token.scope,
        life: seconds(token.life),
        expiresIn: seconds(remaining(token.sentAt, token.life, clock())),
        refreshIn: seconds(remaining(token.sentAt, token.soft, clock())),
      })),
    })),
    keys: ports.overview(),
    disabled: [...config.disabled.values()],
    refusals: ports.refusals(),
  }
}

function standingOf(
  upstream: Upstream,
  { history, handOf, causesOf, breakerOf, environments }: StatusPorts,
): Omit<UpstreamStatus, 'tokens'> {
  const { id, fhirBase, environment, clientId, profileName } = upstream
  const { lastSuccess, lastFailure, failures, skew } = history.of(id)
  const hand = handOf(upstream)
  const state = environments.get(environment)?.situation()
  const asked = hand && state?.records.get(id)?.asked[hand.key.thumbprint]
  const facts = hand && state?.keys.find(each => each.thumbprint === hand.key.thumbprint)
  return {
    ...{ id, fhirBase, environment, clientId, profile: profileName },
    ...{ kid: hand?.key.kid ?? null, keySince: facts ? iso(facts.created) : null },
    ...{ because: hand?.because ?? null, signsSince: asked ? iso(asked.first) : null },
    state: stateOf(lastSuccess, failures),
    lastSuccess: isoIfAny(lastSuccess),
    lastFailure: lastFailure && {
      time: iso(lastFailure.at),
      code: lastFailure.code,
      status: lastFailure.status,
    },
    ...{ failures, skew, breaker: breakerOf(upstream), causes: causesOf(upstream) },
  }
}

function stateOf(lastSuccess: number | null, failures: number): UpstreamStatus['state'] {
  if (failures === 0) return lastSuccess === null ? 'untried' : 'working'
  return lastSuccess === null ? 'never_worked' : 'failing'
}

const seconds = (milliseconds: number): number => Math.max(0, Math.floor(milliseconds / 1000))
const iso = (wall: number): string => new Date(wall).toISOString()
const isoIfAny = (wall: number | null | undefined): string | null =>
  wall === null || wall === undefined ? null : iso(wall)

/** What a diagnosis has found, as an operator is told. */
export const brief = ({ code, certainty, because, fix, who }: LikelyCause): LikelyCause => ({
  ...{ code, certainty, because, fix, who },
})
