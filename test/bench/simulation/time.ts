import type { Clock } from '../../../broker/clock.ts'

/** Time that goes on only when everybody waits: hours in seconds. Milliseconds. */
export interface VirtualTime {
  clock: Clock
  now: () => number
  wait: (milliseconds: number) => Promise<void>
  /** Calls the work at that moment, or now where it has passed. */
  at: (moment: number, work: () => void) => void
  /** Until then everything happens that is due, each event once what the one before has begun waits again. */
  runUntil: (moment: number) => Promise<void>
}

interface Event {
  at: number
  nth: number
  work: () => void
}

export function virtualTime(start = Date.UTC(2026, 10, 25)): VirtualTime {
  let now = start
  let count = 0
  const events: Event[] = []
  const at: VirtualTime['at'] = (moment, work) =>
    push(events, { at: Math.max(moment, now), nth: count++, work })
  return {
    clock: () => ({ wall: now, monotonic: now - start + 1000 }),
    now: () => now,
    at,
    wait: milliseconds => new Promise(done => at(now + milliseconds, done)),
    runUntil: async moment => {
      for (;;) {
        const [next] = events
        if (next === undefined || next.at > moment) break
        now = next.at
        pop(events).work()
        await allWaiting()
      }
      now = moment
    },
  }
}

/** Whatever runs in promises alone has come to its end when this is called. */
const allWaiting = (): Promise<void> => new Promise(setImmediate)

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.nth < other.nth)

/** A binary heap: the first is the next. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    const above = heap[up] as Event
    if (isBefore(above, event)) break
    heap[at] = above
    at = up
  }
  heap[at] = event
}

function pop(heap: Event[]): Event {
  const [first] = heap as [Event]
  const last = heap.pop() as Event
  if (heap.length === 0) return first
  let at = 0
  for (;;) {
    let down = 2 * at + 1
    if (down >= heap.length) break
    if (down + 1 < heap.length && isBefore(heap[down + 1] as Event, heap[down] as Event)) down++
    const below = heap[down] as Event
    if (isBefore(last, below)) break
    heap[at] = below
    at = down
  }
  heap[at] = last
  return first
}
