import type { Clock } from '../../broker/clock.ts'

/** A clock that stands until it is moved. */
export interface MovedClock {
  clock: Clock
  /** Milliseconds since the epoch. */
  now: () => number
  advance: (seconds: number) => void
  /** The wall clock alone, as when somebody sets it. */
  setWallBy: (seconds: number) => void
  /** The wall clock goes on while the monotonic one stands, as when the machine sleeps. */
  sleep: (seconds: number) => void
}

export function movedClock(start = Date.UTC(2026, 10, 25)): MovedClock {
  let wall = start
  let monotonic = 1000
  return {
    clock: () => ({ wall, monotonic }),
    now: () => wall,
    advance: seconds => {
      wall += seconds * 1000
      monotonic += seconds * 1000
    },
    setWallBy: seconds => {
      wall += seconds * 1000
    },
    sleep: seconds => {
      wall += seconds * 1000
    },
  }
}
