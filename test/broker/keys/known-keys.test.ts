import { expect, test } from 'vitest'
import { asPublished, factsOf, namesAfter, settingsOf } from '../../../broker/keys/known-keys.ts'
import { openState } from '../../../broker/keys/state-keeper.ts'
import { movedClock } from '../../support/clock.ts'
import { signingKey } from '../../support/keys.ts'

const KEY = signingKey('own')
const held = [{ key: KEY, role: 'signer' as const }]
const NAME = { kid: 'registered', alg: 'RS256' as const }
const rules = { jwksUrl: null, guard: null, heldElsewhere: [], liveSince: new Map() }

test('a key that is here is known by the kid of the live set, and stays in the line of its own alg', () => {
  const state = openState({ load: () => null, save: () => {} }, movedClock().clock)
  state.change({ published: { [KEY.thumbprint]: NAME } })
  expect(factsOf(held, state)).toMatchObject([{ kid: 'registered', alg: 'RS384', isHere: true }])
  expect(asPublished(KEY, state.parts.published)).toMatchObject(NAME)
  expect(asPublished(KEY, {})).toBe(KEY)
})

test('a key that is only live is known as one that is not here, and no longer once it is gone', () => {
  const clock = movedClock()
  const state = openState({ load: () => null, save: () => {} }, clock.clock)
  const sighting = { liveSince: 1, lastPresent: 1, lastAbsent: null }
  const watched = { ...state.parts.watched, sightings: { print: sighting } }
  state.change({ published: { print: NAME }, watched })
  expect(factsOf([], state)).toMatchObject([{ thumbprint: 'print', isHere: false }])
  state.change({ watched: { ...watched, sightings: { print: { ...sighting, liveSince: null } } } })
  expect(factsOf([], state)).toEqual([])
})

test('a key is released from its release on, and no longer once that is taken back', () => {
  const state = openState({ load: () => null, save: () => {} }, movedClock().clock)
  const withdrawal = { thumbprint: KEY.thumbprint, at: 0, reason: 'replaced', proposal: null }
  state.change({ withdrawals: [{ ...withdrawal, release: 'a.b.c' }] })
  expect(factsOf(held, state)).toMatchObject([{ isReleased: true }])
  state.change({ withdrawals: [{ ...withdrawal, release: null }] })
  expect(factsOf(held, state)).toMatchObject([{ isReleased: false }])
})

test('names are remembered of keys that are here, and forgotten of others that are gone', () => {
  const before = { [KEY.thumbprint]: NAME, strange: NAME }
  expect(namesAfter(new Map(), held, before)).toEqual({ [KEY.thumbprint]: NAME })
})

test('the operator’s word for a key is taken by its kid, before the publisher’s record', () => {
  const liveSince = new Map([['own', { at: 5 }]])
  const state = openState({ load: () => null, save: () => {} }, movedClock().clock)
  const facts = factsOf(held, state)
  const live = { [KEY.thumbprint]: 3 }
  const { watched } = state.parts
  expect(settingsOf({ ...rules, liveSince, guard: 9 }, facts, { live, watched })).toEqual({
    guard: 9,
    claimed: { [KEY.thumbprint]: 5 },
  })
})

test.each<[string, number | null, number | undefined]>([
  ['a key that no look was without', null, 3],
  ['none that the watch has seen come', 2, undefined],
])('the publisher’s record counts for %s', (_, lastAbsent, at) => {
  const state = openState({ load: () => null, save: () => {} }, movedClock().clock)
  const sightings = { [KEY.thumbprint]: { liveSince: 5, lastPresent: 5, lastAbsent } }
  const told = { live: { [KEY.thumbprint]: 3 }, watched: { ...state.parts.watched, sightings } }
  expect(settingsOf(rules, factsOf(held, state), told).claimed[KEY.thumbprint]).toBe(at)
})
