import { describe, expect, test } from 'vitest'
import { bears, expandGrants } from '../../broker/grants.ts'

const UPSTREAMS = {
  mercy: { labels: { region: 'west', vendor: 'epic' } },
  lukes: { labels: { region: 'east', vendor: 'epic' } },
  alone: {},
}

describe('an upstream bears a selector', () => {
  test.each([
    [{ region: 'west' }, true],
    [{ region: 'west', vendor: 'epic' }, true],
    [{ region: 'west', vendor: 'other' }, false],
    [{ tier: 'one' }, false],
    [{}, false],
    [{ constructor: 'Object' }, false],
  ])('%j: %s', (selector, expected) => {
    expect(bears(UPSTREAMS.mercy.labels, selector as Record<string, string>)).toBe(expected)
  })

  test('not where it has no labels', () => {
    expect(bears(undefined, { region: 'west' })).toBe(false)
  })
})

test('a group is every upstream that bears its labels, and no other', () => {
  const grants = expandGrants([{ labels: { vendor: 'epic' }, scopes: ['a'] }], UPSTREAMS)
  expect(grants).toEqual([
    { upstream: 'mercy', scopes: ['a'], lines: [0] },
    { upstream: 'lukes', scopes: ['a'], lines: [0] },
  ])
})

test('what several lines grant at one upstream adds up', () => {
  const grants = expandGrants(
    [
      { upstream: 'mercy', scopes: ['a'] },
      { labels: { region: 'west' }, scopes: ['a', 'b'] },
    ],
    UPSTREAMS,
  )
  expect(grants).toEqual([{ upstream: 'mercy', scopes: ['a', 'b'], lines: [0, 1] }])
})

test('an upstream that is named and is not there stays, to be complained of', () => {
  expect(expandGrants([{ upstream: 'x', scopes: [] }], UPSTREAMS)).toEqual([
    { upstream: 'x', scopes: [], lines: [0] },
  ])
})
