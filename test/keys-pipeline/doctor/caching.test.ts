import { describe, expect, test } from 'vitest'
import { type Caching, cachingOf, EPIC_MOST } from '../../../keys-pipeline/doctor/caching.ts'

const all = (seconds: number): Omit<Caching, 'state'> => ({ own: seconds, shared: seconds })

describe('what a Cache-Control header says', () => {
  test.each<[string | undefined, Caching]>([
    ['max-age=600', { state: 'said', ...all(600) }],
    ['public, max-age=86400, s-maxage=600', { state: 'said', own: 86_400, shared: 600 }],
    ['MAX-AGE="600" , Public', { state: 'said', ...all(600) }],
    [
      'max-age=600, stale-while-revalidate=60, stale-if-error=40',
      { state: 'said', own: 600, shared: 700 },
    ],
    ['private, max-age=600', { state: 'said', own: 600, shared: 0 }],
    ['s-maxage=60', { state: 'said', own: EPIC_MOST, shared: 60 }],
    ['no-store', { state: 'none', ...all(0) }],
    ['no-cache, max-age=600', { state: 'none', ...all(0) }],
    ['max-age=0', { state: 'none', ...all(0) }],
    [undefined, { state: 'unsaid', ...all(EPIC_MOST) }],
    ['  ', { state: 'unsaid', ...all(EPIC_MOST) }],
    ['public', { state: 'unsaid', ...all(EPIC_MOST) }],
    ['max-age=1d', { state: 'unreadable', ...all(EPIC_MOST) }],
    ['max-age=-1', { state: 'unreadable', ...all(EPIC_MOST) }],
    ['max-age', { state: 'unreadable', ...all(EPIC_MOST) }],
    ['max-age=99999999999', { state: 'unreadable', ...all(EPIC_MOST) }],
    ['max-age=600, max-age=60', { state: 'unreadable', ...all(EPIC_MOST) }],
  ])('%j', (header, said) => {
    expect(cachingOf(header)).toEqual(said)
  })
})
