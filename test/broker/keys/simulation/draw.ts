import type { Chance } from '../../../support/chance.ts'
import type { HospitalKind } from './hospital.ts'
import { HOUR, MINUTE, type Said } from './publication.ts'

/** What a world has in store. Spans and moments are milliseconds from its beginning. */
export interface Drawn {
  hospitals: HospitalKind[]
  /** Mean time between two requests, by hospital. */
  traffic: number[]
  said: Said | null
  /** The host says another thing from then on. */
  change: { at: number; said: Said | null } | null
  replicas: { blind: (readonly [number, number])[]; restarts: { at: number; loses: boolean }[] }[]
  hasStandby: boolean
  rotations: { at: number; alg: HospitalKind['alg'] }[]
  emergency: { at: number; alg: HospitalKind['alg'] } | null
  /** Of a hundred deployments, how many fail at first. */
  failing: number
  /** Everything is merged and deployed within minutes. */
  isSwift: boolean
  /** Hospitals keep assertions waiting to the end of their lives. */
  isLate: boolean
  /** Time between two looks, and between two of the controller's turns. */
  every: { look: number; turn: number }
}

export const DAY = 24 * HOUR

const SAID: readonly (Said | null)[] = [
  { own: 10 * MINUTE, shared: 10 * MINUTE, stale: 0 },
  { own: 24 * HOUR, shared: 10 * MINUTE, stale: 0 },
  { own: HOUR, shared: HOUR, stale: 0 },
  { own: 5 * MINUTE, shared: 5 * MINUTE, stale: 2 * HOUR },
  { own: 12 * HOUR, shared: 12 * HOUR, stale: 0 },
  { own: 0, shared: 0, stale: 0 },
  { own: 29 * HOUR, shared: 29 * HOUR, stale: 0 },
  null,
]

/** A world of its own for each seed. */
export function drawWorld(chance: Chance): Drawn {
  const twoLines = chance.percent(25)
  const algs: HospitalKind['alg'][] = twoLines ? ['RS384', 'ES384'] : ['RS384']
  const hospitals = algs.flatMap(alg =>
    Array.from({ length: 1 + chance.below(4) }, (_, at) =>
      drawHospital(`${alg}-${at}`, alg, chance),
    ),
  )
  const isSwift = chance.percent(30)
  const first = HOUR * (1 + chance.below(20))
  const alg = chance.pick(algs)
  return {
    hospitals,
    traffic: hospitals.map(() => chance.pick([15 * MINUTE, HOUR, 4 * HOUR])),
    said: chance.pick(SAID),
    change: chance.percent(30)
      ? { at: first + chance.below(6 * HOUR) - 3 * HOUR, said: chance.pick(SAID) }
      : null,
    replicas: Array.from({ length: chance.percent(40) ? 2 : 1 }, () => ({
      blind: chance.percent(20) ? [span(chance, 3 * DAY, 3 * DAY)] : [],
      restarts: chance.percent(25)
        ? [{ at: chance.below(3 * DAY), loses: chance.percent(40) }]
        : [],
    })),
    hasStandby: chance.percent(50),
    rotations: [
      { at: first, alg },
      ...(twoLines && chance.percent(60)
        ? [{ at: first + chance.below(10 * HOUR), alg: chance.pick(algs) }]
        : []),
    ],
    emergency: chance.percent(12) ? { at: chance.below(3 * DAY), alg } : null,
    failing: chance.pick([0, 0, 0, 20, 60]),
    isSwift,
    isLate: false,
    every: {
      look: MINUTE * (5 + chance.below(6)),
      turn: isSwift ? 3 * MINUTE : MINUTE * (10 + chance.below(20)),
    },
  }
}

/**
 * As it would be where all goes as fast as it can, nobody keeps a copy, and somebody asks all the time: there alone a
 * signature may be on its way when its key is gone.
 */
export const inHaste = (drawn: Drawn): Drawn => ({
  ...drawn,
  ...{ isSwift: true, isLate: true, failing: 0 },
  ...{ said: { own: 0, shared: 0, stale: 0 }, change: null },
  traffic: drawn.hospitals.map(() => 3 * MINUTE),
  every: { ...drawn.every, turn: MINUTE },
})

const span = (chance: Chance, latest: number, longest: number): readonly [number, number] => {
  const from = chance.below(latest)
  return [from, from + chance.below(longest)]
}

function drawHospital(id: string, alg: HospitalKind['alg'], chance: Chance): HospitalKind {
  const refetches = chance.percent(70)
  return {
    ...{ id, alg, refetches },
    hasProxy: chance.percent(35),
    keeps: refetches ? 29 * HOUR : HOUR * chance.below(25),
    pinned: chance.percent(8) ? [] : null,
    isStubborn: chance.percent(40),
    away: chance.percent(12) ? [span(chance, 3 * DAY, 2 * DAY)] : [],
    whims: chance.pick([0, 0, 20, 100]),
  }
}
