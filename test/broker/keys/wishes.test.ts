import { expect, test } from 'vitest'
import type { KeyFacts } from '../../../broker/keys/key-facts.ts'
import type { Situation } from '../../../broker/keys/rotation.ts'
import { NOTHING_SEEN } from '../../../broker/keys/sightings.ts'
import type { KeyState, Rotation } from '../../../broker/keys/state.ts'
import { linesOf, nextRotations, wish } from '../../../broker/keys/wishes.ts'

const DAY = 24 * 3600 * 1000
const key = (kid: string, parts: Partial<KeyFacts> = {}): KeyFacts => ({
  ...{ thumbprint: kid, kid, alg: 'RS384', created: 0, role: 'signer', isHere: true },
  ...{ revokedAt: null, isReleased: false, ...parts },
})
const situation = (keys: KeyFacts[], now = 0): Situation => ({
  ...{ keys, now, watched: NOTHING_SEEN, records: new Map() },
  settings: { guard: null, claimed: {} },
  upstreams: [
    { id: 'a', alg: 'RS384', reader: { refetches: true, keeps: null }, pinned: null },
    { id: 'b', alg: 'RS384', reader: { refetches: true, keeps: null }, pinned: null },
  ],
})
const next = (
  at: Situation,
  rules: { every?: number; standby?: boolean },
  rotations: Rotation[] = [],
) =>
  nextRotations(
    { situation: () => at, state: () => ({ rotations, revoked: {} }) as unknown as KeyState },
    { every: rules.every ?? null, standby: rules.standby ?? false },
    { newId: () => 'id', isLost: () => true },
  )

test('a line is one algorithm, however many upstreams it has', () => {
  expect(linesOf(situation([]))).toEqual(['RS384'])
})

test('nothing is due on command alone, however old a key is', () => {
  expect(next(situation([key('old')], 9999 * DAY), {})).toBeNull()
})

test('a key is due when it is so many days old, and not while its successor is on its way', () => {
  expect(next(situation([key('old')], 90 * DAY - 1), { every: 90 })).toBeNull()
  const due = next(situation([key('old')], 90 * DAY), { every: 90 })
  expect(due).toMatchObject([{ id: 'id', role: 'signer', because: 'schedule', made: null }])
  expect(next(situation([key('old')], 99 * DAY), { every: 90 }, [...(due ?? [])])).toBeNull()
})

test('a line has one standby, and another when that one is promoted or revoked', () => {
  const wanted = [{ alg: 'RS384', role: 'standby' }]
  expect(next(situation([key('old')]), { standby: true })).toMatchObject(wanted)
  const reserve = key('reserve', { role: 'standby' })
  expect(next(situation([key('old'), reserve]), { standby: true })).toBeNull()
  const revoked = { ...reserve, revokedAt: 1 }
  expect(next(situation([key('old'), revoked]), { standby: true })).toMatchObject(wanted)
  expect(next(situation([key('old'), key('reserve')]), { standby: true })).toMatchObject(wanted)
})

test('a standby on its way does not hold up the signers of its line', () => {
  const standby = wish(
    { alg: 'RS384', role: 'standby', because: 'schedule' },
    { now: 0 },
    () => 'other',
  )
  const rotations = next(situation([key('old')], 90 * DAY), { every: 90, standby: true }, [standby])
  expect(rotations?.map(({ role }) => role)).toEqual(['standby', 'signer'])
})

test('a rotation whose key is gone before anybody saw it makes another; one whose key has been and gone is over', () => {
  const rotation: Rotation = {
    ...{ id: 'r', alg: 'RS384', role: 'signer', because: 'command', asked: 0 },
    ...{ made: 'gone', proposal: 7 },
  }
  const at = situation([key('old')])
  expect(next(at, {}, [rotation])).toEqual([{ ...rotation, made: null, proposal: null }])
  const gone = { liveSince: null, lastPresent: 1, lastAbsent: 2 }
  const seen = { ...at, watched: { ...NOTHING_SEEN, sightings: { gone } } }
  expect(next(seen, {}, [rotation])).toEqual([])
})
