import { describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../../broker/keys/key-facts.ts'
import { hasPassed, openWaves } from '../../../broker/keys/waves.ts'
import { accepted, HOUR, hospital, key, NOW, seen } from './situation.ts'

const NEW = key('new', 5)
const ALL = Array.from({ length: 30 }, (_, nth) => hospital(`h${nth}`))
const records = (record: (id: string) => KeyRecord) =>
  new Map(ALL.map(({ id }) => [id, record(id)]))
const old = accepted({ old: 1 })

/** Those whose turn it is. */
function opened(known: ReadonlyMap<string, KeyRecord>, watched = seen({ new: 5 })): string[] {
  const isOpenFor = openWaves({ upstreams: ALL, records: known, watched, now: NOW })
  return ALL.filter(each => isOpenFor(NEW, each)).map(({ id }) => id)
}

/** After those have accepted it. */
const then = (have: readonly string[]): string[] =>
  opened(records(id => (have.includes(id) ? accepted({ new: 0, old: 1 }) : old)))

test('one upstream is first, then a tenth, then all, each by the word of all before', () => {
  const first = opened(records(() => old))
  expect(first).toHaveLength(1)
  const tenth = then(first)
  expect(tenth).toHaveLength(1 + 3)
  expect(tenth).toEqual(expect.arrayContaining(first))
  expect(then(tenth.slice(0, -1)).sort()).toEqual(tenth.toSorted())
  expect(then(tenth)).toHaveLength(30)
})

test('no turn comes while the watch is blind', () => {
  const blind = { ...seen({ new: 5 }), lastRound: NOW + 1 }
  expect(
    opened(
      records(() => old),
      blind,
    ),
  ).toEqual([])
})

test('another key begins with another upstream', () => {
  const isOpenFor = openWaves({
    ...{ upstreams: ALL, records: records(() => old), watched: seen({ new: 5 }), now: NOW },
  })
  const firsts = Array.from({ length: 20 }, (_, nth) =>
    ALL.find(each => isOpenFor(key(`key-${nth}`, 1), each)),
  )
  expect(new Set(firsts).size).toBeGreaterThan(5)
})

describe('who holds nobody up', () => {
  test('one that never accepted any key', () => {
    const known = records(id => (id === 'h7' ? old : accepted({})))
    expect(opened(known)).toEqual(['h7'])
    known.set('h7', accepted({ new: 0, old: 1 }))
    expect(opened(known)).toHaveLength(30)
  })

  test('one that does not answer for an hour gives up its place', () => {
    const [first = ''] = opened(records(() => old))
    const silent = (hours: number) =>
      accepted({ old: 1 }, { asked: { new: { first: NOW - hours * HOUR, hasAnswered: false } } })
    const withSilence = (hours: number) =>
      opened(records(id => (id === first ? silent(hours) : old)))
    expect(withSilence(0.5)).toEqual([first])
    expect(withSilence(1)).not.toContain(first)
    expect(withSilence(1)).toHaveLength(1)
  })

  test.each([
    ['silent for 29 hours', 29, false, true],
    ['silent for less', 28, false, false],
    ['one that says no is waited for', 90, true, false],
  ])('%s', (_, hours, hasAnswered, isExcused) => {
    const record = accepted(
      { old: 1 },
      { asked: { new: { first: NOW - hours * HOUR, hasAnswered } } },
    )
    expect(hasPassed(NEW, hospital('h'), { records: new Map([['h', record]]), now: NOW })).toBe(
      isExcused,
    )
  })
})
