import process from 'node:process'
import { expect, test } from 'vitest'
import { chanceFrom } from '../support/chance.ts'
import { grows, type Sample, slopeOf } from './soak/slope.ts'

const MEBI = 2 ** 20
/** A look every four seconds for eight minutes. */
const LOOKS = 120
/** Of two hundred series, those that may be called growing: the interval misses one side in 2.5 of 100 cases. */
const [SERIES, MOST] = [200, 15]

/** What a process of 50 MiB shows that leaks so much a minute, and whose garbage comes and goes by up to 2 MiB. */
function seriesOf(seed: number, leak: number): Sample[] {
  const { next } = chanceFrom(seed)
  return Array.from({ length: LOOKS }, (_, nth) => {
    const at = nth * 4
    return { at, value: 50 * MEBI + (leak * at) / 60 + 4 * MEBI * (next() - 0.5) }
  })
}

const grown = (leak: number): number =>
  Array.from({ length: SERIES }, (_, nth) =>
    slopeOf(seriesOf(Number(process.env['LOCKSTEP_SEED']) + nth * 7919, leak)),
  ).filter(slope => slope !== null && grows(slope)).length

test('a leak of half a MiB a minute is found', () => {
  expect(grown(MEBI / 2)).toBe(SERIES)
})

test('noise around what stays, and memory that shrinks, are no leak', () => {
  expect(grown(0)).toBeLessThanOrEqual(MOST)
  expect(grown(-MEBI)).toBe(0)
})

test('the slope is that of the line, and the interval has it', () => {
  const line = Array.from({ length: LOOKS }, (_, at) => ({ at, value: 5 + 3 * at }))
  const { slope = 0, within = 1 } = slopeOf(line) ?? {}
  expect(slope).toBeCloseTo(3)
  expect(within).toBeCloseTo(0)
})

test('of too few looks nothing is said', () => {
  expect(slopeOf(seriesOf(1, 0).slice(0, 20))).toBeNull()
})
