/** Chance that can be repeated: the same seed, the same run, in whatever process. */
export interface Chance {
  /** 0 to 1. */
  next: () => number
  /** Below `most`. */
  below: (most: number) => number
  pick: <T>(all: readonly [T, ...T[]] | readonly T[]) => T
  /** True in so many of a hundred cases. */
  percent: (share: number) => boolean
}

/** mulberry32: 32 bits of state are enough to choose test cases by. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (most: number): number => Math.floor(next() * most)
  return {
    next,
    below,
    pick: <T>(all: readonly T[]): T => all[below(all.length)] as T,
    percent: share => next() * 100 < share,
  }
}
