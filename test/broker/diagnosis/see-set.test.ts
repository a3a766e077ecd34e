import { expect, test } from 'vitest'
import type { OursSeen } from '../../../broker/diagnosis/facts.ts'
import { holdsKey, seeSet } from '../../../broker/diagnosis/see-set.ts'
import type { Look } from '../../../keys-pipeline/published.ts'
import { ecJwk, type Jwk, published, rsaJwk } from '../../support/keys.ts'

const ours = published(ecJwk('P-384'))
const key = { kid: ours.jwk.kid, alg: ours.jwk.alg, thumbprint: ours.thumbprint }
const jwk: Jwk = { ...ours.jwk }
const stranger: Jwk = { ...published(rsaJwk()).jwk }

const look = (body: unknown, headers: Record<string, string> = {}): Look => ({
  ...{ url: 'https://keys.example.com/set.json', failure: null, status: 200, took: 1 },
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})

test.each<[OursSeen['state'], unknown[]]>([
  ['there', [stranger, jwk]],
  ['there', [{ ...jwk, alg: undefined, use: undefined }]],
  ['absent', [stranger]],
  ['absent', []],
  ['other_kid', [{ ...jwk, kid: 'x' }]],
  ['without_kid', [{ ...jwk, kid: undefined }]],
  ['other_key', [{ ...stranger, kid: key.kid }]],
  ['unreadable', [{ kty: 'EC', kid: key.kid }]],
  ['unreadable', [{ kid: key.kid }]],
  ['twice', [jwk, jwk]],
  ['twice', [jwk, { ...stranger, kid: key.kid }]],
  ['other_alg', [{ ...jwk, alg: 'ES256' }]],
  ['other_alg', [{ ...jwk, alg: 7 }]],
])('%s', (state, keys) => {
  expect(seeSet(look({ keys }), key, 0)).toMatchObject({
    ...{ state: 'key_set', keys: keys.length, ours: { state } },
  })
})

test('a kid that is no kid is not shown', () => {
  const seen = seeSet(look({ keys: [{ ...jwk, kid: '\u001b[2J' }] }), key, 0)
  expect(seen).toMatchObject({ ours: { state: 'without_kid' } })
  expect(JSON.stringify(seen)).not.toContain('001b')
})

test('what is no set has its state, and entries that are no objects are none', () => {
  expect(seeSet({ ...look(''), failure: 'tls' }, key, 0)).toEqual({ state: 'tls' })
  expect(seeSet(look('<!doctype html>'), key, 0)).toEqual({ state: 'html' })
  expect(seeSet(look(jwk), key, 0)).toEqual({ state: 'not_key_set' })
})

test('a set of another media type is read all the same, and the type remembered', () => {
  expect(seeSet(look({ keys: [jwk] }, { 'content-type': 'text/plain' }), key, 0)).toMatchObject({
    ...{ isTyped: false, ours: { state: 'there' } },
  })
})

test('its age is by the server’s own clocks, or by ours', () => {
  const at = (seconds: number) => new Date(seconds * 1000).toUTCString()
  const aged = (headers: Record<string, string>) => seeSet(look({ keys: [] }, headers), key, 90_000)
  expect(aged({ 'last-modified': at(10), date: at(40) })).toMatchObject({ age: 30 })
  expect(aged({ 'last-modified': at(10) })).toMatchObject({ age: 80 })
  expect(aged({ 'last-modified': at(100) })).toMatchObject({ age: 0 })
  expect(aged({ 'last-modified': 'yesterday' })).toMatchObject({ age: null })
})

test('another set holds the key whatever its kid there, or cannot be read', () => {
  expect(holdsKey(look({ keys: [{ ...jwk, kid: 'x' }] }), key)).toBe(true)
  expect(holdsKey(look({ keys: [stranger] }), key)).toBe(false)
  expect(holdsKey({ ...look(''), status: 404 }, key)).toBeNull()
})
