import { describe, expect, test } from 'vitest'
import { type KeyRecord, NO_RECORD } from '../../../broker/keys/key-facts.ts'
import { type Attempt, afterAttempt, lastAccepted } from '../../../broker/keys/records.ts'

const HOUR = 3_600_000

/** One attempt an hour: the key and what came of it. */
const recordAfter = (...attempts: [string, Attempt['outcome']][]): KeyRecord =>
  attempts.reduce<KeyRecord>(
    (record, [thumbprint, outcome], nth) =>
      afterAttempt(record, { thumbprint, outcome, at: nth * HOUR }),
    NO_RECORD,
  )

describe('a key that the upstream never accepted and refuses', () => {
  test.each<[string, [string, Attempt['outcome']][], string | null]>([
    [
      'once is a whim',
      [
        ['old', 'accepted'],
        ['new', 'refused'],
      ],
      null,
    ],
    [
      'twice is left',
      [
        ['old', 'accepted'],
        ['new', 'refused'],
        ['new', 'refused'],
      ],
      'new',
    ],
    [
      'twice, though the other was accepted in between',
      [
        ['old', 'accepted'],
        ['new', 'refused'],
        ['old', 'accepted'],
        ['new', 'refused'],
      ],
      'new',
    ],
    [
      'twice is kept where nothing else was ever accepted',
      [
        ['new', 'refused'],
        ['new', 'refused'],
      ],
      null,
    ],
    [
      'is no such key once it was accepted',
      [
        ['old', 'accepted'],
        ['new', 'accepted'],
        ['new', 'refused'],
        ['new', 'refused'],
      ],
      null,
    ],
    [
      'silence counts neither way',
      [
        ['old', 'accepted'],
        ['new', 'refused'],
        ['new', 'silent'],
        ['new', 'answered'],
      ],
      null,
    ],
    [
      'is taken again once it is accepted',
      [
        ['old', 'accepted'],
        ['new', 'refused'],
        ['new', 'refused'],
        ['new', 'accepted'],
      ],
      null,
    ],
  ])('%s', (_, attempts, from) => {
    expect(recordAfter(...attempts).fallback?.from ?? null).toBe(from)
  })

  test('is tried again after an hour, then after twice as long, up to twelve hours', () => {
    let record = recordAfter(['old', 'accepted'])
    const delays = [1, 2, 3, 4, 5, 6].map(nth => {
      for (const at of [nth, nth])
        record = afterAttempt(record, { thumbprint: 'new', outcome: 'refused', at })
      return (record.fallback?.delay ?? 0) / HOUR
    })
    expect(delays).toEqual([1, 2, 4, 8, 12, 12])
  })
})

test('who answered once has answered, and the first question counts', () => {
  const { asked } = recordAfter(['k', 'silent'], ['k', 'silent'], ['other', 'refused'])
  expect(asked).toEqual({
    k: { first: 0, hasAnswered: false },
    other: { first: 2 * HOUR, hasAnswered: true },
  })
})

test('what signed last is in use, whatever came of it', () => {
  expect(recordAfter(['a', 'accepted'], ['b', 'silent']).inUse).toBe('b')
})

test('the key that was accepted last is found among those that may sign', () => {
  const record = recordAfter(['a', 'accepted'], ['b', 'accepted'], ['a', 'accepted'])
  expect(lastAccepted(record, () => true)).toBe('a')
  expect(lastAccepted(record, name => name !== 'a')).toBe('b')
  expect(lastAccepted(record, () => false)).toBeNull()
})
