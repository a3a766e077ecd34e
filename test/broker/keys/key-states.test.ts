import { expect, test } from 'vitest'
import { keyStates } from '../../../broker/keys/key-states.ts'
import type { Plan } from '../../../broker/keys/plan.ts'
import type { Situation } from '../../../broker/keys/rotation.ts'
import type { Rotation } from '../../../broker/keys/state.ts'
import { accepted, HOUR, key, NOW, planOf, seen, situation } from './situation.ts'

const OLD = key('old', 900)
const NEW = key('new', 50)
const ROTATION: Rotation = {
  ...{ id: '1', alg: 'RS384', role: 'signer', because: 'command', asked: NOW, made: 'new' },
  proposal: 7,
}
const of = (record: ReturnType<typeof accepted>) => new Map([['h', record]])
const gone = {
  ...seen({ old: 100 }),
  sightings: {
    ...seen({ old: 100 }).sightings,
    new: { liveSince: null, lastPresent: 1, lastAbsent: 2 },
  },
}

test.each<[string, string[], Partial<Situation>, Partial<Plan>?]>([
  ['made', ['proposal'], { watched: seen({ old: 100 }) }],
  ['made', ['replicas'], { watched: seen({ old: 100 }) }, { isEverywhere: () => false }],
  ['proposed', ['publication'], { watched: seen({ old: 100 }) }, { rotations: [ROTATION] }],
  ['live', ['guard'], { watched: seen({ old: 100, new: 0.2 }) }],
  [
    'proven',
    ['wave'],
    {
      watched: { ...seen({ old: 100, new: 9 }), lastRound: NOW + 1 },
      records: of(accepted({ old: 1 })),
    },
  ],
  ['signing', [], { watched: seen({ old: 100, new: 9 }) }],
  ['gone', [], { watched: gone }],
  [
    'standby',
    [],
    { keys: [OLD, { ...NEW, role: 'standby' }], watched: seen({ old: 100, new: 9 }) },
  ],
  [
    'revoked',
    ['removal'],
    { keys: [OLD, { ...NEW, revokedAt: NOW }], watched: seen({ old: 100, new: 9 }) },
  ],
])('a key is %s, and waits for %j', (state, waits, parts, plan = {}) => {
  const all = situation({ keys: [OLD, NEW], ...parts })
  const states = keyStates(planOf(all, plan))
  const [first] = states
  expect([first?.key.thumbprint, first?.state]).toEqual(['new', state])
  expect(first?.waitsFor.map(({ what }) => what)).toEqual(waits)
})

test.each<[string, string[], Partial<Plan['ledger']>]>([
  ['resting', ['resting'], { lastSigned: { old: NOW } }],
  ['retirable', ['removal'], {}],
])('the key that was followed is %s', (state, waits, ledger) => {
  const all = situation({
    ...{ keys: [OLD, NEW], watched: seen({ old: 100, new: 9 }) },
    records: of(accepted({ new: 1, old: 9 })),
  })
  const [, old] = keyStates(
    planOf(all, { ledger: { since: 0, lastSigned: {}, replicas: [], ...ledger } }),
  )
  expect(old?.state).toBe(state)
  expect(old?.waitsFor.map(({ what }) => what)).toEqual(waits)
})

test('the wait for the guard says until when', () => {
  const all = situation({ keys: [OLD, NEW], watched: seen({ old: 100, new: 1 / 6 }) })
  const [first] = keyStates(planOf(all))
  expect(first?.waitsFor[0]?.until).toBe(NOW - HOUR / 6 + HOUR / 3)
})
