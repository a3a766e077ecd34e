import { randomBytes } from 'node:crypto'
import { openBoard } from '../../../broker/keys/board.ts'
import { openReplica, type Replica } from '../../../broker/keys/replica.ts'
import { openState } from '../../../broker/keys/state-keeper.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { chanceFrom } from '../../support/chance.ts'
import { type Counts, countCommand, noCounts } from './counts.ts'
import { simulatedStore } from './store.ts'
import { virtualTime } from './time.ts'

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }
const TICK = 5_000
const ROUND_TRIP = 1
/** Milliseconds by which processes are apart that all tick at the same second. */
const APART = 2

/** What so many processes post and read of one environment's keys, in so many ticks in which nothing is signed. */
export async function boardsOf(processes: number, ticks: number, seed: number): Promise<Counts> {
  const time = virtualTime()
  const chance = chanceFrom(seed)
  const counts = noCounts(time.now())
  const store = simulatedStore({
    ...{ time, roundTrip: ROUND_TRIP },
    onCommand: (command, bytes) => countCommand(counts, command, bytes, time.now()),
  })
  const seal = sealWith([randomBytes(32)], () => randomBytes(12))
  const thumbprint = randomBytes(32).toString('base64url')
  const replicas = Array.from({ length: processes }, (_, nth): Replica => {
    const state = openState({ load: () => null, save: () => {} }, time.clock)
    return openReplica({
      ...{ board: openBoard({ store, seal, name: 'production' }), state, clock: time.clock },
      ...{ wait: time.wait, chance: chance.next, log: QUIET, environment: 'production' },
      ...{ owner: `lockstep-broker-${nth}-0a1b2c3d`, newName: () => `other-${nth}` },
      ...{ mayLead: () => true, onNews: () => {} },
      report: () => ({
        ...{ at: time.now(), since: 0, inUse: [thumbprint], acknowledged: [] },
        ...{ lastSigned: { [thumbprint]: time.now() }, lastSignature: time.now() },
        usable: [thumbprint],
      }),
    })
  })
  for (let nth = 1; nth <= ticks; nth++)
    for (const replica of replicas)
      time.at(time.now() + nth * TICK + chance.next() * APART, () => void replica.sync())
  await time.runUntil(time.now() + (ticks + 1) * TICK)
  return counts
}
