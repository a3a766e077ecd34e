import { describe, expect, test } from 'vitest'
import type { Policy } from '../../broker/access/policy.ts'
import type { KnownRequest } from '../../broker/issue-token.ts'
import { openKnownRequests } from '../../broker/known-requests.ts'
import { movedClock } from '../support/clock.ts'

const FOREVER = null

function memory(most?: number) {
  const clock = movedClock()
  let policy = { generation: 'first' } as Policy
  const known = openKnownRequests(clock.clock, () => policy, most)
  const granted = (life: number | null, under = policy): KnownRequest => ({
    ...{ policy: under, claimed: 'scheduling', asked: null, minimumTtl: 0 },
    caller: {
      ...{ service: 'scheduling', method: 'workload_jwt' },
      proves: life === null ? null : { since: clock.clock(), for: life },
    },
    authorised: { grant: { upstream: {} }, scopes: [], tolerated: null } as never,
  })
  const take = (next: string): void => {
    policy = { generation: next } as Policy
  }
  return { ...known, clock, granted, take, current: () => policy }
}

test('a request that was granted is known by its bytes, and no other is', () => {
  const { remember, recall, granted } = memory()
  const request = granted(FOREVER)
  remember('one', request)
  expect([recall('one'), recall('other')]).toEqual([request, undefined])
})

describe('nothing is known any more', () => {
  test('once another config is in force, not even when the first comes back', () => {
    const { remember, recall, granted, take, current } = memory()
    const first = current()
    remember('one', granted(FOREVER))
    take('second')
    expect(recall('one')).toBeUndefined()
    remember('one', granted(FOREVER, first))
    expect(recall('one')).toBeUndefined()
  })

  test.each([
    ['when its credential proves nothing now', 60, 60],
    ['when the clock was set ahead', 3600, 86_400],
  ])('%s', (_, life, seconds) => {
    const { remember, recall, granted, clock } = memory()
    remember('one', granted(life * 1000))
    clock.advance(life - 1)
    expect(recall('one')).toBeDefined()
    clock.advance(seconds)
    expect(recall('one')).toBeUndefined()
  })

  test('when it is the one that was asked longest ago, and there are too many', () => {
    const { remember, recall, granted } = memory(2)
    for (const name of ['one', 'two']) remember(name, granted(FOREVER))
    recall('one')
    remember('three', granted(FOREVER))
    expect(['one', 'two', 'three'].map(name => recall(name) !== undefined)).toEqual([
      ...[true, false, true],
    ])
  })
})

test.each([
  ['what counts once', 0],
  ['a token that ran out while its request waited for the EHR', 5000],
])('%s is never known', (_, life) => {
  const { remember, recall, granted, clock } = memory()
  const request = granted(life)
  clock.advance(5)
  remember('one', request)
  clock.advance(-5)
  expect(recall('one')).toBeUndefined()
})

test('nothing of the request is kept with it', () => {
  const { remember, recall, granted } = memory()
  const request = granted(FOREVER)
  remember('one', { ...request, asked: { audience: 'x' } as never })
  const known = recall('one')
  expect(known).toEqual({ ...request, asked: { audience: 'x' } })
  expect(known?.caller).not.toBe(request.caller)
  expect(known?.policy).toBe(request.policy)
})
