import { describe, expect, test } from 'vitest'
import { type Fields, fieldsOf, merge, type Wanted } from '../../../broker/catalogue/merge.ts'

const off = (reason: string) => ({ enabled: false as const, reason })

/** What is left in the file, what was changed and kept, and what the next import holds against it. */
function outcome(last: Fields, file: Fields, wanted: Wanted) {
  const { changes, kept, wrote } = merge(last, file, wanted)
  return {
    changed: changes.map(each => [each.field, each.to]),
    kept: kept.map(each => each.field),
    wrote,
  }
}

describe('a field', () => {
  test.each<[string, Fields, Fields, Wanted, ReturnType<typeof outcome>]>([
    [
      'that nobody touched follows',
      { clientId: 'a' },
      { clientId: 'a' },
      { clientId: 'b' },
      { changed: [['clientId', 'b']], kept: [], wrote: { clientId: 'b' } },
    ],
    [
      'that was changed by hand stays',
      { clientId: 'a' },
      { clientId: 'h' },
      { clientId: 'b' },
      { changed: [], kept: ['clientId'], wrote: { clientId: 'b' } },
    ],
    [
      'that was changed by hand stays next time too',
      { clientId: 'b' },
      { clientId: 'h' },
      { clientId: 'b' },
      { changed: [], kept: ['clientId'], wrote: { clientId: 'b' } },
    ],
    [
      'that was changed by hand to what is wanted is no change',
      { clientId: 'a' },
      { clientId: 'b' },
      { clientId: 'b' },
      { changed: [], kept: [], wrote: { clientId: 'b' } },
    ],
    [
      'that was put back by hand follows again',
      { clientId: 'a' },
      { clientId: 'a' },
      { clientId: 'c' },
      { changed: [['clientId', 'c']], kept: [], wrote: { clientId: 'c' } },
    ],
    [
      'that nobody wrote yet is added',
      {},
      {},
      { tokenEndpoint: 't' },
      { changed: [['tokenEndpoint', 't']], kept: [], wrote: { tokenEndpoint: 't' } },
    ],
    [
      'that was there before the first import stays',
      {},
      { tokenEndpoint: 'h' },
      { tokenEndpoint: 't' },
      { changed: [], kept: ['tokenEndpoint'], wrote: { tokenEndpoint: 't' } },
    ],
    [
      'that is not wanted any more goes',
      { off: off('x') },
      { off: off('x') },
      { off: null },
      { changed: [['off', undefined]], kept: [], wrote: {} },
    ],
    [
      'that somebody put there stays, though not wanted',
      {},
      { off: off('mine') },
      { off: null },
      { changed: [], kept: ['off'], wrote: {} },
    ],
    [
      'that somebody took away stays away',
      { off: off('x') },
      {},
      { off: off('x') },
      { changed: [], kept: ['off'], wrote: { off: off('x') } },
    ],
    [
      'of which nothing was learned is left as it is',
      { tokenEndpoint: 't' },
      { tokenEndpoint: 'h' },
      {},
      { changed: [], kept: [], wrote: { tokenEndpoint: 't' } },
    ],
    [
      'that is switched off with another reason by hand stays off',
      { off: off('x') },
      { off: off('mine') },
      { off: null },
      { changed: [], kept: ['off'], wrote: {} },
    ],
  ])('%s', (_, last, file, wanted, expected) => {
    expect(outcome(last, file, wanted)).toEqual(expected)
  })

  test('is not another for the order of its scopes', () => {
    const wanted = { scopes: ['b', 'a'] }
    expect(outcome({}, { scopes: ['a', 'b'] }, wanted)).toMatchObject({ changed: [], kept: [] })
    expect(outcome({}, { scopes: ['a'] }, wanted)).toMatchObject({ kept: ['scopes'] })
  })
})

test('the fields of a file are those that an import has a say in', () => {
  const fields = {
    ...{ fhirBase: 'https://a', clientId: 'c', environment: 'nonprod' as const },
    ...{ profile: 'epic' as const, scopes: ['a'] },
  }
  expect(fieldsOf({ ...fields, deadline: 20, alg: 'ES384' })).toEqual(fields)
  expect(fieldsOf({ ...fields, enabled: true })).toEqual(fields)
  const more = { tokenEndpoint: 'https://a/token', ca: 'c.pem' }
  expect(fieldsOf({ ...fields, ...more, enabled: false, reason: 'x' })).toEqual({
    ...{ ...fields, ...more },
    off: off('x'),
  })
})
