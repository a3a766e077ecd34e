import { describe, expect, test } from 'vitest'
import { NO_RECORD } from '../../../broker/keys/key-facts.ts'
import { holdsOn, inUseBy, type Ledger } from '../../../broker/keys/retirement.ts'
import { chooseSigners, type Situation } from '../../../broker/keys/rotation.ts'
import { accepted, HOUR, hospital, key, MINUTE, NOW, seen, situation } from './situation.ts'

const OLD = key('old', 900)
const NEW = key('new', 50)
const SETTLED: Partial<Situation> = {
  keys: [OLD, NEW],
  watched: seen({ old: 100, new: 40 }),
  records: new Map([['h', accepted({ new: 2, old: 30 })]]),
}
const LEDGER: Ledger = {
  since: NOW - 90 * HOUR,
  lastSigned: { old: NOW - 20 * HOUR },
  replicas: [],
}

function holds(parts: Partial<Situation> = {}, ledger: Partial<Ledger> = {}, of = OLD) {
  const all = situation({ ...SETTLED, ...parts })
  return holdsOn(of, all, chooseSigners(all), { ...LEDGER, ...ledger }).map(({ why }) => why)
}

test('a key that everybody has left, and that has rested, may go', () => {
  expect(holds()).toEqual([])
})

const other = (inUse: string[], hours = 0) => ({
  replicas: [{ id: 'b', at: NOW - hours * HOUR, inUse, lastSignature: NOW - hours * HOUR }],
})

describe('a key stays', () => {
  test.each<[string, Partial<Situation>, Partial<Ledger>, string[]]>([
    ['without a newer one', { keys: [OLD] }, {}, ['no_successor', 'signing', 'not_accepted']],
    [
      'while it signs',
      { watched: seen({ old: 100 }), records: new Map([['h', accepted({ old: 1 })]]) },
      {},
      ['no_successor', 'signing', 'not_accepted'],
    ],
    [
      'while a hospital is pinned to it',
      { upstreams: [hospital('h'), hospital('p', { pinned: ['old'] })] },
      {},
      ['pinned'],
    ],
    [
      'while a hospital takes no newer one',
      {
        records: new Map([
          ['h', accepted({ old: 1 }, { fallback: { from: 'new', until: NOW + 1, delay: 1 } })],
        ]),
      },
      {},
      ['no_successor', 'fallback', 'not_accepted'],
    ],
    [
      'while one has not accepted a newer one',
      { records: new Map([['h', accepted({ old: 1 })]]) },
      {},
      ['not_accepted'],
    ],
    [
      'while what it signed is on its way',
      {},
      { lastSigned: { old: NOW - 24 * MINUTE } },
      ['resting'],
    ],
    ['while nobody knows what was signed', {}, { since: NOW - MINUTE }, ['resting']],
    ['while another replica signs with it', {}, other(['old']), ['replica']],
    ['while another replica does so beside a newer one', {}, other(['new', 'old']), ['replica']],
    ['while another replica says nothing of its line', {}, other([]), ['replica']],
  ])('%s', (_, parts, ledger, why) => {
    expect(holds(parts, ledger)).toEqual(why)
  })
})

describe('nobody waits', () => {
  test.each<[string, Partial<Situation>, Partial<Ledger>]>([
    ['for a replica that signs with newer ones alone', {}, other(['new'])],
    ['for a replica that was not heard of for 29 hours', {}, other(['old'], 29)],
    [
      'for an upstream that never accepted any key',
      { upstreams: [hospital('h'), hospital('new')] },
      {},
    ],
    [
      'for one that did not answer for 29 hours',
      {
        records: new Map([
          [
            'h',
            accepted(
              { old: 40 },
              { asked: { new: { first: NOW - 29 * HOUR, hasAnswered: false } } },
            ),
          ],
        ]),
      },
      {},
    ],
  ])('%s', (_, parts, ledger) => {
    expect(holds(parts, ledger)).toEqual([])
  })
})

test('the time to rest is 5 minutes and the longest guard of the line', () => {
  const upstreams = [hospital('h'), hospital('slow', { reader: { refetches: false, keeps: null } })]
  const all = situation({ ...SETTLED, upstreams })
  const [rest] = holdsOn(OLD, all, chooseSigners(all), LEDGER).filter(
    each => each.why === 'resting',
  )
  expect(rest?.until).toBe(NOW - 20 * HOUR + 5 * MINUTE + 24 * HOUR)
})

test('what signed last is in use, though another key is chosen now', () => {
  const all = situation({ ...SETTLED, records: new Map([['h', accepted({ old: 1 })]]) })
  expect(inUseBy(chooseSigners(all), all.records).sort()).toEqual(['new', 'old'])
})

test('what a hospital took last is in use while it refuses the newer key, also where that one is tried again', () => {
  const refusing = { from: 'new', until: NOW - MINUTE, delay: HOUR }
  const record = { ...NO_RECORD, inUse: 'new', accepted: { old: NOW - HOUR }, fallback: refusing }
  const all = situation({ ...SETTLED, records: new Map([['h', record]]) })
  expect(inUseBy(chooseSigners(all), all.records).sort()).toEqual(['new', 'old'])
})
