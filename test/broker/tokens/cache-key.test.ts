import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../broker/profiles.ts'
import { cacheKey, isShared } from '../../../broker/tokens/cache-key.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import { upstream } from '../../support/upstream.ts'

const epic = upstream({ profileName: 'epic', profile: PROFILES.epic })

test('the order of the scopes and repetitions make no difference', () => {
  expect(cacheKey(upstream(), ['b', 'a', 'b'])).toBe(cacheKey(upstream(), ['a', 'b']))
})

describe('where the EHR would grant differently, the key differs', () => {
  test.each<[string, Partial<Upstream>]>([
    ['token endpoint', { tokenEndpoint: 'https://other.example.com/token' }],
    ['client ID', { clientId: 'another' }],
    ['profile', { profileName: 'medplum' }],
    ['environment', { environment: 'production' }],
    ['algorithm', { alg: 'ES384' }],
    ['audience', { assertionAudience: { value: 'https://inner.example.com', reason: 'proxy' } }],
  ])('%s', (_, parts) => {
    expect(cacheKey(upstream(parts), ['a'])).not.toBe(cacheKey(upstream(), ['a']))
  })

  test('scopes, where they are granted by request', () => {
    expect(cacheKey(upstream(), ['a'])).not.toBe(cacheKey(upstream(), ['a', 'b']))
  })
})

test('two lists that would run together as text are two keys', () => {
  expect(cacheKey(upstream(), ['a b'])).not.toBe(cacheKey(upstream(), ['a', 'b']))
  expect(cacheKey(upstream({ clientId: 'x","y' }), [])).not.toBe(
    cacheKey(upstream({ clientId: 'x' }), []),
  )
})

test('where the app fixes the scopes there is one key per client ID, under whatever name it is configured', () => {
  expect(cacheKey(epic, ['a'])).toBe(
    cacheKey({ ...epic, id: 'twin', fhirBase: 'https://x.example.com' }, ['b']),
  )
})

test('one token serves two upstreams that differ in name alone', () => {
  expect(isShared(epic, { ...epic, id: 'twin' })).toBe(true)
  expect(isShared(epic, { ...epic, clientId: 'other' })).toBe(false)
})
