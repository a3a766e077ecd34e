import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import { authenticateWith, type Caller } from './authenticate.ts'
import type { Presented } from './credential.ts'
import { fetchKeysWith } from './fetch-keys.ts'
import { openKeySets } from './key-sets.ts'
import { openLimits } from './limits.ts'
import type { Policy } from './policy.ts'
import { openReplays } from './replays.ts'
import { openSlowDown } from './slow-down.ts'

export interface DoorPorts {
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  /** The way to a key set, trusting those authorities or the system's. */
  dispatcherTo: (ca: string | null) => Dispatcher
}

/** How services come in. */
export interface Door {
  authenticate: (presented: Presented, policy: Policy) => Promise<Caller>
  /** Of one that authenticates by what it has shown before. */
  recognised: (address: string, claimed: string | null) => void
  /** Returns what to call when the request ends. */
  admit: (service: string, policy: Policy) => () => void
}

/** The room put together. What it remembers (keys, jtis, failures, rates) outlives a config generation. */
export function openDoor({ clock, wait, dispatcherTo }: DoorPorts): Door {
  const fetch = fetchKeysWith(dispatcherTo, () => clock().monotonic)
  const slowDown = openSlowDown(clock, wait)
  const authenticate = authenticateWith({
    ...{ clock, keyFor: openKeySets(clock, fetch), useOnce: openReplays(clock) },
    slowDown: slowDown.around,
  })
  const admit = openLimits(clock)
  return {
    authenticate: (presented, { access }) => authenticate(presented, access),
    recognised: (address, claimed) => slowDown.forgive({ address, claimed }),
    admit: (service, { access }) => {
      const rules = access.rulesOf(service)
      return rules ? admit(service, rules) : () => {}
    },
  }
}
