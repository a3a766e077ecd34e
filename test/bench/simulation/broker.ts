import { memoryCache, type TokenCache } from '../../../broker/tokens/cache.ts'
import { type Obtain, obtainWith } from '../../../broker/tokens/obtain.ts'
import { keepWarm } from '../../../broker/tokens/renew.ts'
import type { Seal } from '../../../broker/tokens/sealed.ts'
import { shareThrough } from '../../../broker/tokens/shared-fetch.ts'
import type { SharedSheets, SharedStore } from '../../../broker/tokens/shared-store.ts'
import { type Flights, singleFlight } from '../../../broker/tokens/single-flight.ts'
import type { Exchange } from '../../../broker/upstream/exchange.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import type { VirtualTime } from './time.ts'

/** The token rooms of one process, put together as `app.ts` does it, in virtual time. */
export interface Broker {
  id: number
  zone: number
  /** Whether the balancer sends it requests. */
  isServing: boolean
  cache: TokenCache
  obtain: Obtain
  underWay: Flights<unknown>['underWay']
  /** As the schedule calls it, not twice at once. */
  tick: () => void
  /** As when the power goes: nothing that it has begun comes to an end. */
  kill: () => void
}

interface Ports {
  id: number
  zone: number
  time: VirtualTime
  /** 0 to 1. */
  chance: () => number
  store: SharedStore & SharedSheets
  seal: Seal
  newOwner: () => string
  /** The call to the EHR; `isLost` tells whether the process has died meanwhile. */
  call: (
    upstream: Upstream,
    scopes: readonly string[],
    isLost: () => boolean,
  ) => ReturnType<Exchange>
  wanted: () => readonly { upstream: Upstream; scopes: readonly string[] }[]
  onRefreshFailed: () => void
}

export function openBroker(ports: Ports): Broker {
  const { id, zone, time, chance, newOwner, seal, call, wanted, onRefreshFailed } = ports
  let isDead = false
  let isTicking = false
  const never = new Promise<never>(() => {})
  /** The dead hear of nothing. */
  const heard = <T>(work: Promise<T>): Promise<T> =>
    work.then(
      result => (isDead ? never : result),
      error => {
        if (isDead) return never
        throw error
      },
    )
  const { get, put, lock, unlock } = ports.store
  const store: SharedStore = {
    get: (...args) => heard(get(...args)),
    put: (...args) => heard(put(...args)),
    lock: (...args) => heard(lock(...args)),
    unlock: (...args) => heard(unlock(...args)),
  }
  const wait = (milliseconds: number): Promise<void> => heard(time.wait(milliseconds))
  const flights = singleFlight<never>() as Flights<never>
  const fetching = {
    ...{ clock: time.clock, chance, hasWorked: () => true, onRefreshFailed },
    ...{ cache: memoryCache(time.clock), flights: flights as never },
    exchange: async (upstream: Upstream, scopes: readonly string[]) => {
      // What others have revoked is read before each signature.
      await store.get(`keys:${upstream.environment}`).catch(() => null)
      return heard(call(upstream, scopes, () => isDead))
    },
    share: shareThrough({ clock: time.clock, wait, store, seal, newOwner }),
  }
  const warm = keepWarm({ ...fetching, wanted })
  const broker: Broker = {
    ...{ id, zone, isServing: true, cache: fetching.cache, underWay: flights.underWay },
    obtain: obtainWith(fetching),
    tick: () => {
      if (isTicking || isDead) return
      isTicking = true
      void warm.tick().finally(() => {
        isTicking = false
      })
    },
    kill: () => {
      isDead = true
      broker.isServing = false
    },
  }
  return broker
}
