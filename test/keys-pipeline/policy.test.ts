import { describe, expect, test } from 'vitest'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import type { Lifecycle, Retirement } from '../../keys-pipeline/lifecycle.ts'
import { type Change, judgeChange } from '../../keys-pipeline/policy.ts'
import { makeStatement } from '../../keys-pipeline/statements.ts'
import { codes, ecJwk, ecPair, proofBy, published, rsaJwk, SET_URL } from '../support/keys.ts'

const NOW = Date.UTC(2026, 10, 25, 12)
const GUARD = { live: 1200, retired: 1500 }
const MINUTE = 60_000
const TIME = '2026-11-25T00:00:00Z'

const key = (which: number, more = {}): PublicKey =>
  published({ ...ecJwk('P-256', which), kid: `kid-${which}`, ...more }, `file-${which}`)
const [old, stays, fresh] = [key(0), key(1), key(2)]
const secretOf = (which: number) => ecPair('P-256', which)

const entry = (of: PublicKey, more: object = {}): Lifecycle => ({
  [of.thumbprint]: { kid: of.jwk.kid, created: TIME, role: 'signer', ...more },
})
const proved = (of: PublicKey, which: number): Lifecycle =>
  entry(of, { proof: proofBy(secretOf(which), { kid: of.jwk.kid }) })
const retired = (of: PublicKey, more: Partial<Retirement> = {}): Lifecycle =>
  entry(of, { retired: { at: TIME, reason: 'rotation', ...more } })

/** A release of `old`, signed by the key that stays. */
const release = (more: object = {}, by = 1): string =>
  makeStatement(
    'release',
    { sub: old.thumbprint, aud: SET_URL, iat: NOW / 1000, ...more },
    { key: secretOf(by).privateKey, jwk: key(by).jwk },
  )
/** Seconds since the epoch, that many seconds ago. */
const ago = (seconds: number): number => NOW / 1000 - seconds

interface Told {
  live?: PublicKey[] | null
  next: PublicKey[]
  lifecycle?: Lifecycle
  /** Milliseconds for which the keys have been live; null: nobody knows. */
  age?: number | null
  more?: Partial<Change>
}

async function judge({ live = [old, stays], next, lifecycle = {}, age = 60 * MINUTE, more }: Told) {
  const findings = await judgeChange({
    environment: 'nonprod',
    place: 'keys/nonprod',
    live: live && { url: SET_URL, keys: live },
    next: { url: SET_URL, keys: next, lifecycle, movedFrom: null },
    liveElsewhere: [],
    liveSince: () => (age === null ? null : NOW - age),
    guard: GUARD,
    now: NOW,
    ...more,
  })
  return codes(findings)
}

describe('may be published', () => {
  test.each<[string, Told]>([
    ['the same set again', { next: [old, stays] }],
    [
      'a first set, by whoever holds its key',
      { live: null, next: [fresh], lifecycle: proved(fresh, 2) },
    ],
    [
      'one more key, however young the others are',
      { next: [old, stays, fresh], lifecycle: proved(fresh, 2), age: 0 },
    ],
    ['nothing where there was nothing', { live: null, next: [] }],
    [
      'a set without the key that was released and has rested',
      { next: [stays], lifecycle: retired(old, { release: release({ last_signed: ago(1500) }) }) },
    ],
    [
      'a set without a key that never signed',
      { next: [stays], lifecycle: retired(old, { release: release() }) },
    ],
    [
      'a removal by a team without a broker',
      { next: [stays], lifecycle: retired(old, { unreleased: true }) },
    ],
    [
      'a removal where the custodian says since when the other is live',
      { next: [stays], age: null, lifecycle: retired(old, { unreleased: true, liveSince: TIME }) },
    ],
    [
      'an emergency, whatever the age and whoever signs',
      { next: [stays], age: null, lifecycle: retired(old, { emergency: true }) },
    ],
    [
      'an emergency that leaves only a new key',
      {
        live: [old],
        next: [fresh],
        lifecycle: { ...retired(old, { emergency: true }), ...proved(fresh, 2) },
      },
    ],
    [
      'another URL that the settings say nobody has yet',
      {
        next: [old, stays],
        more: {
          next: {
            url: 'https://new.example.com/a.json',
            keys: [old, stays],
            lifecycle: {},
            movedFrom: SET_URL,
          },
        },
      },
    ],
  ])('%s', async (_, told) => {
    expect(await judge(told)).toEqual([])
  })
})

describe('is refused', () => {
  const gone = (more: Partial<Retirement>): Told => ({
    next: [stays],
    lifecycle: retired(old, more),
  })
  const renamed = key(0, { kid: 'other' })
  test.each<[string, Told, string[]]>([
    ['a set that lost all its keys', { next: [] }, ['set_empty']],
    [
      'an empty set, in an emergency too',
      { live: [old], next: [], lifecycle: retired(old, { emergency: true }) },
      ['set_empty'],
    ],
    ['a removal without a reason', { next: [stays] }, ['removal_without_reason']],
    ['a removal without a release', gone({}), ['still_signing']],
    [
      'a removal one second too early',
      gone({ release: release({ last_signed: ago(1499) }) }),
      ['still_signing'],
    ],
    [
      'a release from a clock that is ahead',
      gone({ release: release({ last_signed: ago(-60) }) }),
      ['still_signing'],
    ],
    ['a release by the key that goes', gone({ release: release({}, 0) }), ['release_invalid']],
    ['a release by a stranger', gone({ release: release({}, 3) }), ['release_invalid']],
    [
      'a release of another key',
      gone({ release: release({ sub: stays.thumbprint }) }),
      ['release_invalid'],
    ],
    [
      'a release for another URL',
      gone({ release: release({ aud: `${SET_URL}x` }) }),
      ['release_invalid'],
    ],
    [
      'a release whose times are no times',
      gone({ release: release({ last_signed: '0' }) }),
      ['release_invalid'],
    ],
    [
      'a release with a negative time',
      gone({ release: release({ last_signed: -1 }) }),
      ['release_invalid'],
    ],
    [
      'a proof in place of a release',
      gone({ release: proofBy(secretOf(1), { kid: 'kid-1' }) }),
      ['release_invalid'],
    ],
    [
      'only a young key left',
      { ...gone({ unreleased: true }), age: 20 * MINUTE - 1 },
      ['only_young_keys'],
    ],
    [
      'a key replaced by a new one in one step',
      {
        live: [old],
        next: [fresh],
        lifecycle: { ...retired(old, { unreleased: true }), ...proved(fresh, 2) },
      },
      ['only_young_keys'],
    ],
    [
      'keys of an age that nobody knows',
      { ...gone({ unreleased: true }), age: null },
      ['live_since_unknown'],
    ],
    [
      'a custodian’s word that is too young itself',
      { ...gone({ unreleased: true, liveSince: '2026-11-25T11:50:00Z' }), age: null },
      ['only_young_keys'],
    ],
    [
      'a custodian’s word about the future',
      { ...gone({ unreleased: true, liveSince: '2027-01-01T00:00:00Z' }), age: null },
      ['only_young_keys'],
    ],
    [
      'a kid with new material',
      {
        next: [key(2, { kid: 'kid-0' }), stays],
        lifecycle: entry(fresh, { proof: proofBy(secretOf(2), { kid: 'kid-0' }) }),
      },
      ['kid_changed'],
    ],
    ['a live key under another kid', { next: [renamed, stays] }, ['kid_changed']],
    ['a key that nobody proved to hold', { next: [old, stays, fresh] }, ['proof_missing']],
    [
      'a key that somebody else proved to hold',
      { next: [old, stays, fresh], lifecycle: entry(fresh, { proof: proofBy(secretOf(1)) }) },
      ['proof_invalid'],
    ],
    [
      'a key that is live in the other environment',
      { next: [old, stays, fresh], lifecycle: proved(fresh, 2), more: { liveElsewhere: [fresh] } },
      ['key_in_both_environments'],
    ],
    [
      'another URL',
      {
        next: [old],
        more: {
          next: {
            url: 'https://new.example.com/a.json',
            keys: [old, stays],
            lifecycle: {},
            movedFrom: null,
          },
        },
      },
      ['url_changed'],
    ],
  ])('%s', async (_, told, expected) => {
    expect(await judge(told)).toEqual(expected)
  })

  test('an RSA kid with another alg', async () => {
    const [before, after] = ['RS384', 'RS256'].map(alg => published({ ...rsaJwk(), kid: 'r', alg }))
    if (!before || !after) throw new Error('two keys')
    expect(await judge({ live: [before], next: [after] })).toEqual(['kid_changed'])
  })
})

test('an emergency for one key lifts nothing for another', async () => {
  const lifecycle = { ...retired(old, { emergency: true }), ...retired(stays) }
  const told = { live: [old, stays, fresh], next: [fresh], lifecycle }
  expect(await judge(told)).toEqual(['still_signing'])
})

test('the oldest of the keys that stay counts, not the youngest', async () => {
  const since = new Map([
    [stays.thumbprint, NOW - 21 * MINUTE],
    [fresh.thumbprint, NOW],
  ])
  const told = {
    live: [old, stays, fresh],
    next: [stays, fresh],
    lifecycle: retired(old, { unreleased: true as const }),
    more: { liveSince: (print: string) => since.get(print) ?? null },
  }
  expect(await judge(told)).toEqual([])
})
