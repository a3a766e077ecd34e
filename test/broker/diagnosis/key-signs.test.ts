import { expect, test } from 'vitest'
import { diagnose } from '../../../broker/diagnosis/diagnose.ts'
import type { Facts, OursSeen, SetSeen } from '../../../broker/diagnosis/facts.ts'
import { PROFILES } from '../../../broker/profiles.ts'
import { another, factsOf, refusedWith } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const first = (parts: Partial<Facts>) => diagnose(factsOf(parts))[0]?.code
const codes = (parts: Partial<Facts>) => diagnose(factsOf(parts)).map(each => each.code)

const showing = (ours: OursSeen): { set: SetSeen } => ({
  set: { state: 'key_set', keys: 1, isTyped: true, age: null, ours },
})
const ABSENT = showing({ state: 'absent' })
const past = (kid: string) => ({ past: { worked: 100, kid, tried: 200, failures: 9 } })

test.each<[string, Partial<Facts>]>([
  ['key_not_published', ABSENT],
  ['key_removed_too_early', { ...ABSENT, ...past('kid-1') }],
  ['key_removed_too_early', { ...ABSENT, others: [another({ works: false })] }],
  ['key_not_live_yet', { ...ABSENT, ...past('older') }],
  ['key_not_live_yet', { ...ABSENT, others: [another({ kid: 'older' })] }],
  ['key_of_other_environment', { ...ABSENT, ...past('older'), isInOtherSet: true }],
  ['key_not_published', { ...ABSENT, isInOtherSet: false }],
  // What another client ID or environment accepted says nothing of this one.
  ['key_not_published', { ...ABSENT, others: [another({ kid: 'older', clientId: 'x' })] }],
  ['key_under_other_kid', showing({ state: 'other_kid', kid: 'x' })],
  ['key_under_other_kid', showing({ state: 'without_kid' })],
  ['kid_names_other_key', showing({ state: 'other_key' })],
  ['kid_names_other_key', showing({ state: 'unreadable' })],
  ['kid_not_unique', showing({ state: 'twice' })],
  ['key_alg_differs', showing({ state: 'other_alg' })],
])('%s', (code, parts) => {
  expect(first(parts)).toBe(code)
  expect(diagnose(factsOf(parts))[0]?.certainty).toBe('seen')
  // It is seen without asking for a token too, and means nothing where one was given.
  expect(codes({ ...parts, token: { outcome: 'not_asked' } })).toEqual([code])
  expect(codes({ ...parts, token: { outcome: 'granted' } })).toEqual([])
  // A refusal that has its own reason is not explained by it.
  expect(codes({ ...parts, ...refusedWith('upstream_unauthorized_client') })).not.toContain(code)
})

test('a set that nobody could look at leaves a doubt, and says why', () => {
  const unseen = { set: { state: 'no_url' } } as const
  const doubt = diagnose(factsOf(unseen)).find(each => each.code === 'key_not_published')
  expect(doubt).toMatchObject({ certainty: 'likely' })
  expect(doubt?.because).toContain('keys.nonprod.jwksUrl')
  expect(JSON.stringify(diagnose(factsOf(unseen)))).not.toContain('can be read from here')
  expect(codes({ ...unseen, token: { outcome: 'not_asked' } })).toEqual([])
})

test.each(['name_not_found', 'unreachable', 'timeout', 'tls'] as const)(
  'a set that cannot be reached: %s',
  state => expect(first({ set: { state } })).toBe('key_set_unreachable'),
)

test.each([
  ...(['redirect', 'sign_in', 'not_found', 'rate_limited', 'server_error'] as const),
  ...(['status', 'html', 'type', 'not_json', 'not_key_set', 'too_large'] as const),
])('a URL that serves no set: %s', state =>
  expect(first({ set: { state } })).toBe('key_set_not_served'),
)

test('more keys than Epic reads are as good as no set', () => {
  const set = factsOf().set as Extract<SetSeen, { keys: number }>
  expect(first({ set: { ...set, keys: 101 } })).toBe('key_set_not_served')
  expect(codes({ set: { ...set, keys: 100 } })).not.toContain('key_set_not_served')
})

test('another media type is a doubt and no more', () => {
  const set = { ...(factsOf().set as Extract<SetSeen, { keys: number }>), isTyped: false }
  expect(codes({ set }).indexOf('key_set_not_served')).toBeGreaterThan(0)
  expect(codes({ set, token: { outcome: 'not_asked' } })).toEqual([])
})

test('a key that is there, after another was accepted: an EHR that looks again holds a static one', () => {
  const epic = upstream({ profileName: 'epic', profile: PROFILES.epic })
  expect(first({ ...past('older'), upstream: epic })).toBe('key_is_pinned')
  expect(codes(past('kid-1'))).not.toContain('key_is_pinned')
})

test('an EHR that is not known to look again may keep a set that changed lately', () => {
  const changed = (age: number | null) => ({
    set: { ...(factsOf().set as Extract<SetSeen, { keys: number }>), age },
  })
  expect(first({ ...past('older'), ...changed(null) })).toBe('set_is_kept')
  expect(first({ ...past('older'), ...changed(3600) })).toBe('set_is_kept')
  expect(codes({ ...past('older'), ...changed(30 * 3600) })).not.toContain('set_is_kept')
})
