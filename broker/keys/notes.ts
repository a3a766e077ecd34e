import { type Clock, remaining, type Span } from '../clock.ts'
import { ERRORS, type ErrorCode, type Facts } from '../errors.ts'
import type { Log } from './alarms.ts'

/** What a step waits for, or why it failed last. */
export interface Note {
  code: ErrorCode
  facts: Facts
  /** Milliseconds since the epoch. */
  since: number
}

/** When each step of an environment is done next, and what it waits for meanwhile. */
export interface Notes {
  isDue: (step: string) => boolean
  /** Done, or all that can be done now: not again for so many milliseconds. */
  rest: (step: string, milliseconds: number) => void
  /** Waits for somebody, who is told once. */
  wait: (step: string, waiting: Omit<Note, 'since'>, milliseconds: number) => void
  /** Failed: again later, and later each time. */
  fail: (step: string, failure: Omit<Note, 'since'>, pace: Pace) => void
  of: (step: string) => Note | null
  /** Whatever waits is tried at once. */
  hurry: () => void
  /** Lets go of what is no step any more. */
  keepOnly: (steps: ReadonlySet<string>) => void
}

/** Milliseconds, doubled from the first to the most. */
export interface Pace {
  first: number
  most: number
}

interface Kept {
  until: Span
  failures: number
  note: Note | null
}

export function openNotes(environment: string, clock: Clock, log: Pick<Log, 'error'>): Notes {
  const steps = new Map<string, Kept>()
  const set = (step: string, milliseconds: number, failures: number, note: Note | null): void =>
    void steps.set(step, { until: { since: clock(), for: milliseconds }, failures, note })
  /** Told when it is another than before, and not each time that it is met again. */
  const tell = (step: string, { code, facts }: Omit<Note, 'since'>): Note => {
    const before = steps.get(step)?.note
    const isSame = before?.code === code && JSON.stringify(before.facts) === JSON.stringify(facts)
    if (!isSame) log.error({ environment, step, code, ...facts }, ERRORS[code].says)
    return { code, facts, since: isSame ? before.since : clock().wall }
  }
  return {
    isDue: step => {
      const kept = steps.get(step)
      return !kept || remaining(kept.until.since, kept.until.for, clock()) <= 0
    },
    rest: (step, milliseconds) => set(step, milliseconds, 0, null),
    wait: (step, waiting, milliseconds) => set(step, milliseconds, 0, tell(step, waiting)),
    fail: (step, failure, { first, most }) => {
      const failures = (steps.get(step)?.failures ?? 0) + 1
      const delay = Math.min(most, first * 2 ** Math.min(failures - 1, MOST_DOUBLINGS))
      set(step, delay, failures, tell(step, failure))
    },
    of: step => steps.get(step)?.note ?? null,
    hurry: () => {
      for (const kept of steps.values()) kept.until = { since: clock(), for: 0 }
    },
    keepOnly: known => {
      for (const step of steps.keys()) if (!known.has(step)) steps.delete(step)
    },
  }
}

const MOST_DOUBLINGS = 30
