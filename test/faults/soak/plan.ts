import { chanceFrom } from '../../support/chance.ts'

export type Name = 'a' | 'b'

export const FAILURES = [
  ...(['500', '503', 'invalid_client', 'slow', 'dropped', 'dropped_after'] as const),
]
export type Failure = (typeof FAILURES)[number]

/** Something that goes wrong, or is changed, while tokens are handed out. */
export type Fault =
  /** A new key is made and published; one that no longer signs goes. */
  | { kind: 'keys' }
  /** Every call of that EHR fails. */
  | { kind: 'ehr'; nth: number; failure: Failure }
  /** The store is killed, or answers nothing; it comes again empty, or as it was. */
  | { kind: 'redis'; isFrozen: boolean }
  /** A grant or a secret changes; a signal tells the brokers, or nobody does. */
  | { kind: 'reload'; isTold: boolean }
  /** The wall clock of these is off by so many hours. */
  | { kind: 'clock'; on: readonly Name[]; hours: number }
  /** What the audit file is on takes no more bytes. */
  | { kind: 'disk'; on: Name }
  | { kind: 'restart'; on: Name; isKilled: boolean }

/** Seconds since the load began; those that are over at once last 0. */
export type Planned = Fault & { at: number; lasts: number }

/** Seconds before the first fault, between two, and after the last: a minute has a whole round. */
const [BEFORE, EVERY, AFTER] = [4, 4.8, 7]
/** Seconds from which on memory is judged: one of the brokers then runs from the beginning to the end. */
export const LONG = 300
/** Seconds. */
const SHORTEST = 2
/** One more than the EHRs that there are is none of them. */
export const EHRS = 4

/**
 * Faults for so many seconds: in each round all kinds, in an order that hangs on the seed; some last until the next one is
 * there too. One of the two brokers is started anew at the beginning of a short run alone: in a long
 * one its memory is watched.
 */
export function planOf(seed: number, seconds: number): Planned[] {
  const chance = chanceFrom(seed)
  const planned: Planned[] = []
  let restarts = 0
  const name = (): Name => chance.pick(['a', 'b'])
  const clock = (hours: number): Fault => ({
    ...{ kind: 'clock', hours },
    on: chance.percent(40) ? ['a', 'b'] : [name()],
  })
  const ehr = (): Fault => ({
    ...{ kind: 'ehr', nth: chance.below(EHRS), failure: chance.pick(FAILURES) },
  })
  const restart = (): Fault => {
    const isFirst = restarts++ === 0 && seconds < LONG
    return { kind: 'restart', on: isFirst ? 'a' : 'b', isKilled: !isFirst && chance.percent(30) }
  }
  const round = (): Fault[] => {
    const rest: Fault[] = [
      ...[ehr(), ehr(), clock(1), clock(-1), restart()],
      ...[true, false].map((isTold): Fault => ({ kind: 'reload', isTold })),
      { kind: 'redis', isFrozen: chance.percent(30) },
      { kind: 'disk', on: name() },
    ]
    return [{ kind: 'keys' }, ...shuffled(rest, chance.below)]
  }
  let deck = round()
  for (let at = BEFORE; at + EVERY + AFTER <= seconds; at += EVERY) {
    if (deck.length === 0) deck = round()
    const [fault, ...others] = deck
    deck = others
    if (fault) planned.push({ ...fault, at, lasts: SHORTEST + chance.next() * EVERY })
  }
  return planned
}

function shuffled<T>(all: readonly T[], below: (most: number) => number): T[] {
  const rest = [...all]
  return all.flatMap(() => rest.splice(below(rest.length), 1))
}
