import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Log } from './alarms.ts'
import type { Board } from './board.ts'
import {
  type EnvironmentKeys,
  type Hand,
  type HeldKey,
  type KeyRules,
  openEnvironment,
} from './environment.ts'
import type { UpstreamFacts } from './key-facts.ts'
import { type Attempt, lastAccepted } from './records.ts'
import type { Situation } from './rotation.ts'
import type { SigningKey } from './signing-keys.ts'
import type { Drawer } from './state-keeper.ts'
import type { Seen, Watching } from './watch.ts'

/** One generation of config and keys, as far as keys go. */
export interface Generation {
  keys: ReadonlyMap<
    Environment,
    KeyRules & Pick<Watching, 'ca' | 'family'> & { watch: number | null }
  >
  held: ReadonlyMap<Environment, readonly HeldKey[]>
  upstreams: ReadonlyMap<string, Upstream>
}

interface Ports {
  clock: Clock
  log: Log
  drawerOf: (environment: Environment) => Drawer
  /** Where brokers that share a store tell each other; null where none is shared. */
  boardOf: (environment: Environment) => Board | null
  wait: (milliseconds: number) => Promise<void>
  /** 0 to 1. */
  chance: () => number
  /** Unlike any other in any broker. */
  newName: () => string
  /** The key that an upstream is known to have accepted last, from elsewhere; milliseconds since the epoch. */
  past: (upstream: string) => { kid: string; at: number } | null
  /** Told when another key is to sign for an upstream than before. */
  onSwitched: () => void
}

/** The keys of all environments, and which of them signs for whom. */
export interface Desk {
  take: (generation: Generation) => void
  /** Before `signerFor`: what other brokers have revoked is known when this returns. */
  heed: (upstream: Upstream) => Promise<void>
  /** Refused: `signing_failed` where no key may sign. */
  signerFor: (upstream: Upstream) => SigningKey
  handOf: (upstream: Upstream) => Hand | null
  /** Before each signature. */
  signing: (upstream: Upstream, thumbprint: string) => void
  answered: (upstream: Upstream, thumbprint: string, outcome: Attempt['outcome']) => void
  /** By upstream, the key that it accepted last, as far as is known. */
  accepted: () => Map<string, { kid: string; at: number }>
  watchings: () => ReadonlyMap<Environment, Watching>
  seen: (environment: Environment, seen: Seen) => void
  /** Hears of the other brokers, and tells them of this one, before the first signature; an answer may be late once. */
  meet: () => Promise<void>
  /** To be called every few seconds. */
  tick: () => Promise<void>
  /** Those that the config has. */
  environments: () => ReadonlyMap<Environment, EnvironmentKeys>
  /** The other brokers need not wait for this one. */
  leave: () => Promise<void>
  /** Saves what is known. */
  close: () => void
}

const MOST_TRIES = 3

export function openDesk(ports: Ports): Desk {
  const environments = new Map<Environment, EnvironmentKeys>()
  const owner = ports.newName()
  let current: Generation = { keys: new Map(), held: new Map(), upstreams: new Map() }
  // A request ends under the generation that it began with, though its upstream be gone by then.
  const last = new WeakMap<Upstream, SigningKey>()
  const open = (name: Environment): EnvironmentKeys => {
    const known = environments.get(name)
    if (known) return known
    const { drawerOf, boardOf, ...rest } = { ...ports, owner }
    const own = { name, drawer: drawerOf(name), board: boardOf(name) }
    const opened = openEnvironment({ ...rest, ...own })
    environments.set(name, opened)
    return opened
  }
  const isCurrent = ({ id, environment, alg }: Upstream): boolean => {
    const now = current.upstreams.get(id)
    return now?.environment === environment && now.alg === alg
  }
  const mayStill = (upstream: Upstream, key: SigningKey): boolean => {
    const state = environments.get(upstream.environment)?.state()
    const isReleased = state?.withdrawals.some(
      ({ thumbprint, release }) => thumbprint === key.thumbprint && release !== null,
    )
    return !(isReleased || (state && key.thumbprint in state.revoked))
  }
  const handOf = (upstream: Upstream): Hand | null =>
    isCurrent(upstream)
      ? (environments.get(upstream.environment)?.handOf(upstream.id) ?? null)
      : null
  const sync = async (): Promise<boolean> => {
    const known = await Promise.all([...environments.values()].map(each => each.sync()))
    return known.every(Boolean)
  }
  return {
    take: generation => {
      for (const upstream of current.upstreams.values()) {
        const hand = handOf(upstream)
        if (hand) last.set(upstream, hand.key)
      }
      current = generation
      const byEnvironment = Map.groupBy(generation.upstreams.values(), each => each.environment)
      for (const [name, rules] of generation.keys)
        open(name).take({
          rules,
          held: generation.held.get(name) ?? [],
          upstreams: (byEnvironment.get(name) ?? []).map(factsOf),
        })
    },
    handOf,
    heed: async ({ environment }) => environments.get(environment)?.heed(),
    signerFor: upstream => {
      const hand = handOf(upstream)
      if (hand) return hand.key
      const before = last.get(upstream)
      if (before && !isCurrent(upstream) && mayStill(upstream, before)) return before
      throw new BrokerError('signing_failed', { upstream: upstream.id })
    },
    signing: ({ environment }, thumbprint) => environments.get(environment)?.signing(thumbprint),
    answered: ({ id, environment }, thumbprint, outcome) =>
      environments.get(environment)?.answered(id, thumbprint, outcome),
    accepted: () =>
      new Map([...environments.values()].flatMap(each => acceptedIn(each.situation()))),
    watchings: () =>
      new Map(
        [...current.keys].flatMap(([name, { jwksUrl: url, ca, family, watch: every }]) =>
          url === null
            ? []
            : [
                [
                  name,
                  {
                    url,
                    ca,
                    family,
                    every,
                    isAwaiting: environments.get(name)?.isAwaiting() ?? false,
                  },
                ],
              ],
        ),
      ),
    seen: (environment, seen) => environments.get(environment)?.seen(seen),
    meet: async () => {
      for (let tries = 0; tries < MOST_TRIES; tries++) if (await sync()) return
    },
    tick: async () => {
      await sync()
      for (const each of environments.values()) each.tick()
    },
    environments: () => environments,
    leave: async () => {
      await Promise.all([...environments.values()].map(each => each.leave()))
    },
    close: () => {
      for (const each of environments.values()) each.close()
    },
  }
}

const acceptedIn = ({ keys, records }: Situation): [string, { kid: string; at: number }][] =>
  [...records].flatMap(([id, record]) => {
    const name = lastAccepted(record, thumbprint =>
      keys.some(each => each.thumbprint === thumbprint),
    )
    const key = keys.find(({ thumbprint }) => thumbprint === name)
    return key ? [[id, { kid: key.kid, at: record.accepted[key.thumbprint] ?? 0 }]] : []
  })

const factsOf = ({ id, alg, profile, pinnedKids }: Upstream): UpstreamFacts => ({
  ...{ id, alg, reader: profile.reader, pinned: pinnedKids },
})
