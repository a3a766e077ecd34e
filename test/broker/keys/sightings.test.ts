import { describe, expect, test } from 'vitest'
import {
  afterRound,
  isBlind,
  type Look,
  longestLife,
  NOTHING_SEEN,
  sightingOf,
  type Watched,
} from '../../../broker/keys/sightings.ts'

const LIFE = { own: 600, shared: 600 }
const look = (...keys: string[]): Look => ({ keys, life: LIFE })

/** Rounds at 1, 2, 3…: the looks of each. */
const watchAfter = (...rounds: (Look[] | Look)[]): Watched =>
  rounds.reduce<Watched>(
    (watched, looks, nth) =>
      afterRound(watched, { at: nth + 1, looks: Array.isArray(looks) ? looks : [looks] }),
    NOTHING_SEEN,
  )

describe('since when a key is live', () => {
  test.each<[string, (Look[] | Look)[], number | null]>([
    ['the first round that has it', [look('k')], 1],
    ['and no later one', [look('k'), look('k')], 1],
    ['never while no round has it', [look(), look()], null],
    ['nothing while none could tell', [null, null], null],
    ['the first after the last that had it not', [look('k'), look(), look('k')], 3],
    ['a failed round neither begins', [null, look('k')], 2],
    ['nor ends it', [look('k'), null, look('k')], 1],
    ['not while one way has it not', [[look('k'), look()]], null],
    ['and that ends it', [look('k'), [look('k'), look()]], null],
    ['not while one look of a round failed', [[look('k'), null]], null],
    ['which does not end it either', [look('k'), [look('k'), null]], 1],
    ['a failed look hides none that tells', [look('k'), [look(), null]], null],
  ])('%s', (_, rounds, since) => {
    expect(sightingOf(watchAfter(...rounds), 'k').liveSince).toBe(since)
  })

  test('a key that no round ever had is absent since the last that could tell', () => {
    expect(sightingOf(watchAfter(look('other'), null), 'k').lastAbsent).toBe(1)
    expect(sightingOf(NOTHING_SEEN, 'k').lastAbsent).toBeNull()
  })
})

test('the watch is blind from its first failed round to the next that tells', () => {
  expect(isBlind(NOTHING_SEEN)).toBe(true)
  expect(isBlind(watchAfter(look('k')))).toBe(false)
  expect(isBlind(watchAfter(look('k'), null))).toBe(true)
  expect(isBlind(watchAfter(look('k'), null, [null, look()]))).toBe(false)
})

describe('the longest life of a copy from before', () => {
  const served = (...lives: [at: number, own: number][]): Watched =>
    lives.reduce<Watched>(
      (watched, [at, own]) =>
        afterRound(watched, { at: at * 1000, looks: [{ keys: [], life: { own, shared: own } }] }),
      NOTHING_SEEN,
    )

  test.each<[string, [number, number][], number]>([
    [
      'the longest counts, not the last',
      [
        [0, 900],
        [10, 60],
      ],
      900,
    ],
    [
      'one that ran out does not',
      [
        [0, 5],
        [1, 3],
        [9, 3],
      ],
      3,
    ],
    [
      'one that nobody saw end may have been served until another was seen',
      [
        [0, 5],
        [9, 3],
      ],
      5,
    ],
    [
      'one that was served first afterwards does not',
      [
        [0, 60],
        [20, 900],
      ],
      60,
    ],
    [
      'one that is served still counts, however short it was before',
      [
        [0, 5],
        [20, 5],
      ],
      5,
    ],
    ['nothing was served: none', [], 0],
  ])('%s', (_, lives, longest) => {
    expect(longestLife(served(...lives), 10_000, 'own')).toBe(longest)
  })

  test('lives that can matter to nobody any more are forgotten', () => {
    const watched = served([0, 60], [60, 30], [2 * 24 * 3600, 30])
    expect(watched.lives.map(({ own }) => own)).toEqual([30])
  })
})
