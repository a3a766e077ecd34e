import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { NO_RECORD } from '../../../broker/keys/key-facts.ts'
import { NOTHING_SEEN } from '../../../broker/keys/sightings.ts'
import type { KeyState } from '../../../broker/keys/state.ts'
import { openStateFolder, readOnly } from '../../../broker/keys/state-file.ts'
import { movedClock } from '../../support/clock.ts'
import { folderWith } from '../../support/keys.ts'

const STATE: KeyState = {
  since: 1,
  url: 'https://keys.example.com/jwks.json',
  watched: {
    ...NOTHING_SEEN,
    ...{ began: 1, lastRound: 3, lastTold: 2 },
    sightings: { print: { liveSince: 1, lastPresent: 2, lastAbsent: null } },
    lives: [{ shared: 600, own: 86_400, first: 1, last: 2 }],
  },
  created: { print: 1 },
  published: { print: { kid: 'kid', alg: 'RS384' } },
  records: {
    ehr: {
      ...NO_RECORD,
      ...{ inUse: 'print', accepted: { print: 3 }, refused: { thumbprint: 'other', times: 1 } },
      ...{ asked: { print: { first: 1, hasAnswered: true } } },
      fallback: { from: 'other', until: 9, delay: 5 },
    },
  },
  lastSigned: { print: 3 },
  revoked: { old: { at: 1, reason: 'lost' } },
  promoted: ['standby'],
  rotations: [
    {
      ...{ id: 'r', alg: 'RS384', role: 'signer', because: 'schedule', asked: 1 },
      ...{ made: null, proposal: null },
    },
  ],
  proofs: { print: 'a.b.c' },
  withdrawals: [{ thumbprint: 'old', at: 1, reason: 'lost', release: null, proposal: 7 }],
}

function open(folder: string) {
  const aside: { reason: string; kept: string }[] = []
  const { now } = movedClock()
  const states = openStateFolder(folder, { now, onSetAside: each => aside.push(each) })
  onTestFinished(() => states.close())
  return { ...states, aside }
}

const place = (): string => join(folderWith(), 'state')

test('what is saved is what is loaded, by whoever has the folder next, and by who only reads', () => {
  const folder = place()
  const first = open(folder)
  first.drawerOf('nonprod').save(STATE, 7)
  expect(readOnly(folder)('nonprod').load()).toEqual({ state: STATE, savedAt: 7 })
  first.close()
  const next = open(folder)
  expect(next.drawerOf('nonprod').load()).toEqual({ state: STATE, savedAt: 7 })
  expect(next.drawerOf('production').load()).toBeNull()
  expect(next.aside).toEqual([])
})

test('nobody else can read it, and nothing but the state stays there', () => {
  const folder = place()
  open(folder).drawerOf('nonprod').save(STATE, 7)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(statSync(join(folder, 'nonprod.json')).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder).sort()).toEqual(['lock', 'nonprod.json'])
})

test('a folder is one process’s, until it lets go', () => {
  const folder = place()
  const first = open(folder)
  expect(() => open(folder)).toThrow(expect.objectContaining({ code: 'state_in_use' }))
  first.close()
  expect(() => open(folder)).not.toThrow()
})

test.each([
  ['where its parent is missing', (folder: string) => join(folder, 'no', 'state')],
  [
    'where a file is',
    (folder: string) => {
      writeFileSync(join(folder, 'state'), '')
      return join(folder, 'state')
    },
  ],
])('a folder that cannot be had is refused: %s', (_, at) => {
  expect(() => open(at(folderWith()))).toThrow(expect.objectContaining({ code: 'state_unusable' }))
  expect(() => open(at(folderWith()))).toThrow(BrokerError)
})

const file = (parts: object): string =>
  JSON.stringify({
    ...{ lockstep: 'key-state', version: 1, environment: 'nonprod', savedAt: 7, state: STATE },
    ...parts,
  })

describe('a file that is not a state of this environment is kept under another name, and nothing is loaded', () => {
  test.each([
    ['empty', ''],
    ['half written', file({}).slice(0, 300)],
    ['zeroes, as after a power failure', '\0'.repeat(500)],
    ['not JSON', 'hello'],
    ['another JSON', '[]'],
    ['another program’s', file({ lockstep: 'audit' })],
    ['a later version’s', file({ version: 2 })],
    ['the other environment’s', file({ environment: 'production' })],
    ['one without a part', file({ state: { ...STATE, revoked: undefined } })],
    ['one with a time that is none', file({ state: { ...STATE, since: -1 } })],
    ['one with a record that is none', file({ state: { ...STATE, records: { ehr: {} } } })],
    [
      'one with an alg that is none',
      file({ state: { ...STATE, published: { a: { kid: 'k', alg: 'none' } } } }),
    ],
  ])('%s', (_, text) => {
    const folder = place()
    const { drawerOf, aside } = open(folder)
    writeFileSync(join(folder, 'nonprod.json'), text)
    expect(drawerOf('nonprod').load()).toBeNull()
    const [{ kept } = { kept: '' }] = aside
    expect(readFileSync(kept, 'utf8')).toBe(text)
    expect(readdirSync(folder)).not.toContain('nonprod.json')
    drawerOf('nonprod').save(STATE, 7)
    expect(drawerOf('nonprod').load()?.state).toEqual(STATE)
  })
})

test('who only reads leaves a broken file where it is', () => {
  const folder = folderWith({ 'nonprod.json': '{' })
  expect(readOnly(folder)('nonprod').load()).toBeNull()
  expect(readdirSync(folder)).toEqual(['nonprod.json'])
})

test('members that a later version added are no fault', () => {
  const folder = folderWith({ 'nonprod.json': file({ state: { ...STATE, more: 1 } }) })
  expect(readOnly(folder)('nonprod').load()?.savedAt).toBe(7)
})
