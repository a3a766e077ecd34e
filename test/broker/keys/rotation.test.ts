import { describe, expect, test } from 'vitest'
import { type Because, chooseSigners, type Situation } from '../../../broker/keys/rotation.ts'
import { NOTHING_SEEN } from '../../../broker/keys/sightings.ts'
import { accepted, HOUR, hospital, key, NOW, seen, situation } from './situation.ts'

const chosen = (parts: Partial<Situation>): [string, Because] | null => {
  const choice = chooseSigners(situation(parts)).get('h')
  return choice ? [choice.key.thumbprint, choice.because] : null
}

const OLD = key('old', 900)
const NEW = key('new', 50)
const both = seen({ old: 100, new: 5 })
const of = (record: ReturnType<typeof accepted>) => new Map([['h', record]])

describe('the key that signs', () => {
  test.each<[string, Partial<Situation>, [string, Because] | null]>([
    ['the newest that is proven', { watched: both }, ['new', 'newest']],
    [
      'not one that is live for less than the guard',
      { watched: seen({ old: 100, new: 0.2 }) },
      ['old', 'newest'],
    ],
    ['not one that no set has yet', { watched: seen({ old: 100 }) }, ['old', 'newest']],
    ['none of another algorithm', { keys: [key('old', 9, { alg: 'ES384' })], watched: both }, null],
    [
      'none whose private half is elsewhere',
      { keys: [OLD, { ...NEW, isHere: false }], watched: both },
      ['old', 'newest'],
    ],
    ['no standby', { keys: [OLD, { ...NEW, role: 'standby' }], watched: both }, ['old', 'newest']],
    [
      'none that was revoked',
      { keys: [OLD, { ...NEW, revokedAt: NOW }], watched: both },
      ['old', 'newest'],
    ],
    [
      'none at all where all were revoked',
      { keys: [{ ...OLD, revokedAt: NOW }], watched: both },
      null,
    ],
    [
      'of two of one moment the greater kid',
      { keys: [key('a', 9), key('b', 9)], watched: seen({ a: 9, b: 9 }) },
      ['b', 'newest'],
    ],
    [
      'with none proven, the oldest that is live',
      { watched: seen({ old: 0.2, new: 0.2 }) },
      ['old', 'unproven'],
    ],
    [
      'and before an older key one that has been live for longer, which more copies have',
      { watched: seen({ old: 0.1, new: 0.2 }) },
      ['new', 'unproven'],
    ],
    ['which need not be the oldest of all', { watched: seen({ new: 0.2 }) }, ['new', 'unproven']],
    ['with nothing seen, the oldest', { watched: NOTHING_SEEN }, ['old', 'unseen']],
    [
      'with nothing seen, the one that was accepted',
      { watched: NOTHING_SEEN, records: of(accepted({ new: 1 })) },
      ['new', 'newest'],
    ],
  ])('%s', (_, parts, expected) => {
    expect(chosen({ keys: [OLD, NEW], ...parts })).toEqual(expected)
  })
})

describe('a key that was released', () => {
  const RELEASED = { ...OLD, isReleased: true }
  const fallback = { from: 'new', until: NOW + HOUR, delay: HOUR }
  test.each<[string, Partial<Situation>, [string, Because] | null]>([
    [
      'signs no more, though it was in use and its turn has not come',
      { watched: { ...both, lastRound: NOW + 1 }, records: of(accepted({ old: 1 })) },
      ['new', 'newest'],
    ],
    [
      'signs no more, though the hospital does not take the newer one',
      { watched: both, records: of(accepted({ old: 1 }, { fallback })) },
      ['new', 'newest'],
    ],
    [
      'signs no more, though a hospital has it by hand, where it has another',
      { watched: both, upstreams: [hospital('h', { pinned: ['old', 'new'] })] },
      ['new', 'pinned'],
    ],
    [
      'signs before one that is not proven: nothing that is proven and not released is there',
      { watched: seen({ old: 100, new: 0.2 }), records: of(accepted({ old: 1 })) },
      ['old', 'newest'],
    ],
    [
      'signs where all others were revoked',
      { keys: [RELEASED, { ...NEW, revokedAt: NOW }], watched: both },
      ['old', 'newest'],
    ],
    [
      'signs where a hospital has nothing else by hand',
      { watched: both, upstreams: [hospital('h', { pinned: ['old'] })] },
      ['old', 'pinned'],
    ],
  ])('%s', (_, parts, expected) => {
    expect(chosen({ keys: [RELEASED, NEW], ...parts })).toEqual(expected)
  })
})

describe('the key in use', () => {
  test.each<[string, Partial<Situation>, [string, Because] | null]>([
    [
      'stays though the set is seen without it, while nothing else is live',
      { watched: seen({ other: 100 }), records: of(accepted({ old: 1 })) },
      ['old', 'in_use'],
    ],
    [
      'stays while the watch is blind',
      { watched: { ...both, lastRound: NOW + 1 }, records: of(accepted({ old: 1 })) },
      ['old', 'in_use'],
    ],
    [
      'goes for one that is live, where the set was seen without it',
      { watched: seen({ new: 0.2 }), records: of(accepted({ old: 1 })) },
      ['new', 'unproven'],
    ],
    [
      'goes for an older one that is proven, where the set was seen without it',
      { watched: seen({ old: 100 }), records: of(accepted({ new: 1 })) },
      ['old', 'newest'],
    ],
    [
      'goes for a newer one that is proven',
      { watched: both, records: of(accepted({ old: 1 })) },
      ['new', 'newest'],
    ],
    [
      'goes at once when it is revoked',
      { keys: [OLD, { ...NEW, revokedAt: NOW }], watched: both, records: of(accepted({ new: 1 })) },
      ['old', 'newest'],
    ],
  ])('%s', (_, parts, expected) => {
    expect(chosen({ keys: [OLD, NEW], ...parts })).toEqual(expected)
  })
})

describe('a hospital that does not take the newer key', () => {
  const fallback = { from: 'new', until: NOW + HOUR, delay: HOUR }
  test('is signed for with the one that it accepted last', () => {
    const records = of(accepted({ old: 1 }, { fallback }))
    expect(chosen({ keys: [OLD, NEW], watched: both, records })).toEqual(['old', 'fallback'])
  })

  test.each<[string, Partial<Situation>]>([
    ['never with a revoked one', { keys: [{ ...OLD, revokedAt: NOW }, NEW] }],
    ['no longer than until it is to be tried again', { now: NOW + HOUR }],
  ])('%s', (_, parts) => {
    const records = of(accepted({ old: 1 }, { fallback }))
    expect(chosen({ keys: [OLD, NEW], watched: both, records, ...parts })?.[0]).toBe('new')
  })
})

describe('where no key is proven, one that the hospital has refused twice', () => {
  const fallback = { from: 'old', until: NOW - HOUR, delay: HOUR }
  test.each<[string, Partial<Situation>, [string, Because]]>([
    [
      'gives way to another that is live',
      { watched: seen({ old: 0.2, new: 0.1 }) },
      ['new', 'unproven'],
    ],
    ['gives way to another where none is seen', { watched: NOTHING_SEEN }, ['new', 'unseen']],
    ['goes before one that is not live', { watched: seen({ old: 0.2 }) }, ['old', 'unproven']],
    [
      'signs on where it is the only one',
      { keys: [OLD, { ...NEW, revokedAt: NOW }], watched: NOTHING_SEEN },
      ['old', 'unseen'],
    ],
  ])('%s', (_, parts, expected) => {
    const records = of(accepted({ gone: 9 }, { inUse: 'old', fallback }))
    expect(chosen({ keys: [OLD, NEW], records, ...parts })).toEqual(expected)
  })
})

test('a hospital that has loaded a key by hand is signed for with that one alone', () => {
  const upstreams = [hospital('h', { pinned: ['old'] })]
  expect(chosen({ keys: [OLD, NEW], watched: both, upstreams })).toEqual(['old', 'pinned'])
  const keys = [{ ...OLD, revokedAt: NOW }, NEW]
  expect(chosen({ keys, watched: both, upstreams })).toBeNull()
})

test('each upstream has the guard of its own vendor', () => {
  const slow = hospital('slow', { reader: { refetches: false, keeps: null } })
  const choices = chooseSigners(
    situation({ keys: [OLD, NEW], watched: both, upstreams: [hospital('h'), slow] }),
  )
  expect(choices.get('h')?.key).toBe(NEW)
  expect(choices.get('slow')?.key).toBe(OLD)
})
