import { LRUCache } from 'lru-cache'
import { type Clock, type Instant, remaining } from '../clock.ts'
import { BrokerError } from '../errors.ts'

/** Does the work; where it ends in a refusal to believe the caller, that is told the later the oftener it happens. */
export interface SlowDown {
  around: <T>(pair: Pair, work: () => Promise<T>) => Promise<T>
  /** Wipes the slate of a pair that authenticated. */
  forgive: (pair: Pair) => void
}

/** Who fails: an address together with the client_id that it claims, so that nobody can slow another down. */
export interface Pair {
  address: string
  claimed: string | null
}

/** Failures that anybody may have, as in a roll-out with an old secret. */
const FREE = 3
/** Milliseconds. The first pause, doubled each time, and the longest, which stays below what a stop waits for. */
const PAUSE = { first: 250, longest: 2000 }
/** Milliseconds without a failure after which all is forgiven. */
const FORGIVEN_AFTER = 600_000
/** Pairs that are remembered; of more, those that failed longest ago are forgotten. */
const MOST_PAIRS = 10_000
/** Refusals that are held back at once. Beyond it they go out at once: a flood is not to fill our memory. */
const MOST_WAITING = 1000

/** A request that authenticates is never held back, and wipes the slate of its pair. */
export function openSlowDown(
  clock: Clock,
  wait: (milliseconds: number) => Promise<void>,
): SlowDown {
  const failures = new LRUCache<string, { count: number; at: Instant }>({ max: MOST_PAIRS })
  let waiting = 0
  const count = (name: string): number => {
    const before = failures.peek(name)
    const isForgiven = !before || remaining(before.at, FORGIVEN_AFTER, clock()) <= 0
    const failed = { count: (isForgiven ? 0 : before.count) + 1, at: clock() }
    failures.set(name, failed)
    return failed.count
  }
  const forgive = (pair: Pair): void => {
    if (failures.size > 0) failures.delete(nameOf(pair))
  }
  const around: SlowDown['around'] = async (pair, work) => {
    try {
      const result = await work()
      forgive(pair)
      return result
    } catch (error) {
      const isDoubted = error instanceof BrokerError && error.row.status === 401
      const pause = isDoubted ? pauseAfter(count(nameOf(pair))) : 0
      if (pause > 0 && waiting < MOST_WAITING) {
        waiting++
        await wait(pause).finally(() => waiting--)
      }
      throw error
    }
  }
  return { around, forgive }
}

const nameOf = ({ address, claimed }: Pair): string => JSON.stringify([address, claimed])

const pauseAfter = (failures: number): number =>
  failures <= FREE ? 0 : Math.min(PAUSE.first * 2 ** (failures - FREE - 1), PAUSE.longest)
