import { describe, expect, test } from 'vitest'
import { type KeyFacts, NO_RECORD } from '../../../broker/keys/key-facts.ts'
import {
  acknowledgements,
  canAllSign,
  counts,
  joined,
  leaseAfter,
  ledgerOf,
  NO_WORK,
  type Posted,
  type Report,
  reportOf,
  standings,
  withoutOld,
} from '../../../broker/keys/replicas.ts'

const HOUR = 60 * 60 * 1000
const NOW = 1000 * HOUR

const report = (id: string, parts: Partial<Report> = {}): Report => ({
  ...{ id, instance: `${id}-1`, at: NOW, since: 0, lastSignature: null, lastSigned: {} },
  ...{ inUse: ['new'], usable: ['new'], acknowledged: [], hasLeft: false },
  ...parts,
})

const posted = (parts: Partial<Posted> = {}): Posted => ({
  ...{ lease: null, work: NO_WORK, revoked: {}, promoted: [], created: {} },
  ...{ seen: null, reports: {} },
  ...parts,
})

const work = (revision: number): Partial<Posted> => ({ work: { ...NO_WORK, revision } })
const lease = (number: number, beat = 0): Partial<Posted> => ({
  lease: { owner: `${number}`, number, beat },
})
describe('of what two know the later counts, in whatever order they meet', () => {
  test.each<[string, Partial<Posted>, Partial<Posted>]>([
    ['work', work(1), work(2)],
    ['a lease', lease(1, 9), lease(2)],
    ['a sign of life', lease(1), lease(1, 1)],
    ['the first lease', {}, lease(1)],
  ])('%s', (_, before, after) => {
    expect(joined(posted(before), posted(after))).toEqual(posted(after))
    expect(joined(posted(after), posted(before))).toEqual(posted(after))
  })
})

test('a revocation and a promotion never go, and of a revocation and of a key’s age the first word stays', () => {
  const first = posted({
    ...{ revoked: { k: { at: 1, reason: 'leaked' } }, promoted: ['s'], created: { k: 5 } },
  })
  const second = posted({
    ...{ revoked: { k: { at: 2, reason: 'other' }, l: { at: 3, reason: 'lost' } } },
    ...{ promoted: ['t'], created: { k: 4, l: 6 } },
  })
  expect(joined(first, second)).toMatchObject({
    revoked: { k: { at: 1, reason: 'leaked' }, l: { reason: 'lost' } },
    ...{ promoted: ['s', 't'], created: { k: 5, l: 6 } },
  })
})

test('a lease is renewed and given back by its holder, and taken by another where it is free or forsaken', () => {
  const held = { owner: 'a', number: 3, beat: 7 }
  const by = (owner: string, mayLead = true, isForsaken = false, now = 1) => ({
    ...{ owner, mayLead, isForsaken, now },
  })
  expect(leaseAfter(held, by('a'))).toEqual({ ...held, beat: 8 })
  expect(leaseAfter(held, by('a', false))).toEqual({ ...held, owner: null, beat: 8 })
  expect(leaseAfter(held, by('b'))).toEqual(held)
  expect(leaseAfter(held, by('b', false, true))).toEqual(held)
  const next = { owner: 'b', number: 4, beat: 0 }
  expect(leaseAfter(held, by('b', true, true))).toEqual(next)
  expect(leaseAfter({ ...held, owner: null }, by('b'))).toEqual(next)
  expect(leaseAfter(null, by('b'))).toEqual({ ...next, number: 1 })
  expect(leaseAfter(null, by('b', false))).toBeNull()
  // Whoever held it before a store forgot has a lower one.
  expect(leaseAfter(null, by('b', true, false, NOW))).toEqual({ ...next, number: NOW })
})

test('of each broker what stands on the board is its last word; what the board has forgotten comes again', () => {
  const board = { a: report('a', { at: 1 }) }
  const memory = { a: report('a', { at: 2 }), b: report('b') }
  const { reports } = joined(posted({ reports: board }), posted({ reports: memory }))
  expect(reports).toEqual({ a: board.a, b: memory.b })
})

test('a broker is waited for until it has been silent and has signed nothing for 29 hours, or has left', () => {
  const at = (parts: Partial<Report>) => counts(report('a', parts), NOW)
  expect(at({ at: NOW - 29 * HOUR + 1 })).toBe(true)
  expect(at({ at: NOW - 29 * HOUR })).toBe(false)
  expect(at({ at: NOW - 30 * HOUR, lastSignature: NOW - HOUR })).toBe(true)
  expect(at({ hasLeft: true })).toBe(false)
})

test('what was signed is the last of all, also of one that has left, since the youngest record', () => {
  const others = [
    report('b', { since: 7, lastSigned: { old: 50, new: 10 } }),
    report('c', { since: 3, lastSigned: { old: 60 }, hasLeft: true }),
  ]
  expect(ledgerOf({ since: 5, lastSigned: { old: 40, new: 20 } }, others, NOW)).toEqual({
    ...{ since: 7, lastSigned: { old: 60, new: 20 } },
    replicas: [others[0]],
  })
})

test('of one that was not heard of for a while nobody knows what it signs with', () => {
  const inUse = (at: number) =>
    ledgerOf({ since: 0, lastSigned: {} }, [report('b', { at })], NOW).replicas[0]?.inUse
  expect(inUse(NOW - 5 * 60_000 + 1)).toEqual(['new'])
  expect(inUse(NOW - 5 * 60_000)).toEqual([])
})

test('a key is proposed when each that is heard of has it', () => {
  const lacks = { usable: ['old'] }
  const all = (...others: Report[]) => canAllSign(others, 'new', NOW)
  expect(all()).toBe(true)
  expect(all(report('b'), report('c'))).toBe(true)
  expect(all(report('b'), report('c', lacks))).toBe(false)
  expect(all(report('c', { ...lacks, hasLeft: true }))).toBe(true)
  expect(all(report('c', { ...lacks, at: NOW - HOUR }))).toBe(true)
})

test('who counts has acknowledged a revocation or not', () => {
  const given = acknowledgements(
    [report('b', { acknowledged: ['k'] }), report('c'), report('d', { hasLeft: true })],
    ...(['k', NOW] as const),
  )
  expect(given.map(({ id, isGiven }) => [id, isGiven])).toEqual([
    ['b', true],
    ['c', false],
  ])
})

test('each broker is heard of, silent, ended or gone, and lacks what it has not acknowledged while it is waited for', () => {
  const revoked = { k: { at: 1, reason: 'leaked' } }
  const others = [
    report('e', { at: NOW - 30 * HOUR }),
    report('d', { hasLeft: true }),
    report('c', { at: NOW - HOUR }),
    report('b', { acknowledged: ['k'] }),
  ]
  const all = standings('a', others, { revoked }, NOW)
  expect(all.map(({ id, is, lacks }) => [id, is, lacks.length])).toEqual([
    ['a', 'here', 0],
    ['b', 'heard', 0],
    ['c', 'silent', 1],
    ['d', 'left', 0],
    ['e', 'gone', 0],
  ])
  expect(standings(null, [], { revoked }, NOW)).toEqual([])
})

test('a report has what signs now and what signed last where that may come back, and no promise that a restart breaks', () => {
  const key = (thumbprint: string, parts: Partial<KeyFacts> = {}): KeyFacts => ({
    ...{ thumbprint, kid: thumbprint, alg: 'ES256', created: 0, role: 'signer' },
    ...{ isHere: true, revokedAt: null, isReleased: false },
    ...parts,
  })
  const facts = [
    key('new'),
    key('old'),
    key('lost', { revokedAt: 1 }),
    key('far', { isHere: false }),
  ]
  const record = (inUse: string, accepted: Record<string, number>) => ({
    ...NO_RECORD,
    inUse,
    accepted,
  })
  const known = {
    facts,
    choices: new Map([['a', { key: key('new'), because: 'newest' as const }]]),
    upstreams: new Map([
      ['a', {}],
      ['never', {}],
    ]),
  }
  const state = (fault: string | null) => ({
    parts: { since: 5, revoked: { lost: { at: 1, reason: 'leaked' } } } as never,
    records: new Map([
      ['a', record('old', { old: 1 })],
      ['never', record('x', {})],
      ['unknown', record('y', { y: 1 })],
    ]),
    lastSigned: new Map([
      ['old', 7],
      ['new', 9],
    ]),
    fault: () => fault,
  })
  expect(reportOf(known, state(null), NOW)).toEqual({
    ...{ at: NOW, since: 5, inUse: ['new', 'old'], lastSigned: { old: 7, new: 9 } },
    ...{ lastSignature: 9, usable: ['new', 'old'], acknowledged: ['lost'] },
  })
  expect(reportOf(known, state('ENOSPC'), NOW).acknowledged).toEqual([])
})

test('a report that matters to nobody goes after a month', () => {
  const DAYS = 24 * HOUR
  const reports = {
    a: report('a', { at: NOW - 31 * DAYS }),
    b: report('b', { at: NOW - 30 * DAYS }),
  }
  expect(Object.keys(withoutOld(reports, NOW))).toEqual(['b'])
})
