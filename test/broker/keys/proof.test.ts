import { describe, expect, test } from 'vitest'
import { NO_RECORD, type Reader } from '../../../broker/keys/key-facts.ts'
import { type GuardSettings, guardOf, provenAt } from '../../../broker/keys/proof.ts'
import { afterRound, type Life, NOTHING_SEEN } from '../../../broker/keys/sightings.ts'
import { accepted, HOUR, key, MINUTE, NOW, PAGES, seen } from './situation.ts'

const EPIC: Reader = { refetches: true, keeps: null }
const SILENT: Reader = { refetches: false, keeps: null }
const SETTINGS: GuardSettings = { guard: null, claimed: {} }

describe('the guard', () => {
  test.each<[string, Reader, Life, number]>([
    ['Epic behind Pages: twenty minutes', EPIC, PAGES, 1200],
    ['Epic: a shared cache that may keep it longer', EPIC, { own: 60, shared: 7200 }, 7200],
    [
      'Epic: its own copy does not count, since it asks anew',
      EPIC,
      { own: 86_400, shared: 600 },
      1200,
    ],
    ['Epic: never more than 29 hours', EPIC, { own: 0, shared: 999_999 }, 104_400],
    ['a vendor that documents nothing: a day', SILENT, PAGES, 86_400],
    ['and longer where the host says so', SILENT, { own: 100_000, shared: 0 }, 100_000],
    ['the 29 hours are Epic’s alone', SILENT, { own: 999_999, shared: 0 }, 999_999],
    ['a vendor’s own figure', { refetches: false, keeps: 3600 }, PAGES, 3600],
    [
      'unless the host said more',
      { refetches: false, keeps: 3600 },
      { own: 7200, shared: 0 },
      7200,
    ],
  ])('%s', (_, reader, life, seconds) => {
    expect(guardOf(reader, seen({ k: 5 }, life), NOW - 5 * HOUR, SETTINGS)).toBe(seconds)
  })

  test('the operator’s setting stands in place of all', () => {
    const settings = { guard: 7, claimed: {} }
    expect(guardOf(SILENT, seen({ k: 5 }), NOW, settings)).toBe(7)
  })
})

describe('a key is proven', () => {
  const k = key('k', 50)
  const at = (watched = seen({ k: 5 }), record = NO_RECORD, settings = SETTINGS) =>
    provenAt(k, EPIC, record, watched, settings)

  test('when it has been live for the guard', () => {
    expect(at()).toBeCloseTo(NOW - 5 * HOUR + 20 * MINUTE, -3)
  })

  test('never while it was not seen', () => {
    expect(at(seen({}))).toBeNull()
  })

  test('at once by one accepted assertion', () => {
    expect(at(seen({}, PAGES), NO_RECORD)).toBeNull()
    expect(at(NOTHING_SEEN, accepted({ k: 1 }))).toBe(NOW - HOUR)
  })

  test('not by what was accepted before it was seen to be gone', () => {
    expect(at(seen({ other: 100 }), accepted({ k: 1 }))).toBeNull()
  })

  test('a guard after the moment that the operator names', () => {
    const settings = { guard: null, claimed: { k: NOW - HOUR } }
    expect(provenAt(k, EPIC, NO_RECORD, NOTHING_SEEN, settings)).toBe(NOW - HOUR + 20 * MINUTE)
  })

  test('no sooner than 29 hours after the watch began: nobody saw what was served before', () => {
    const young = afterRound(NOTHING_SEEN, {
      at: NOW - 2 * HOUR,
      looks: [{ keys: ['k'], life: PAGES }],
    })
    expect(at(young)).toBe(NOW + 27 * HOUR)
    expect(at(young, NO_RECORD, { guard: 60, claimed: {} })).toBe(NOW - 2 * HOUR + MINUTE)
  })
})
