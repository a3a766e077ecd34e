import { expect, test } from 'vitest'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { keyRules, settleKeys } from '../../broker/keys-config.ts'

const NONPROD = { folder: 'private' }
const places = (nonprod: object): string[] =>
  keyRules({ keys: { nonprod: { ...NONPROD, ...nonprod } } } as ConfigFile).map(({ at }) => at)

const jwksUrl = 'https://keys.example.com/jwks.json'

test.each<[string, object, string[]]>([
  ['a URL in clear', { jwksUrl: 'http://keys.example.com/jwks.json' }, ['jwksUrl']],
  ['a URL with a user', { jwksUrl: 'https://a:b@keys.example.com/' }, ['jwksUrl']],
  ['a URL with a fragment', { jwksUrl: `${jwksUrl}#x` }, ['jwksUrl']],
  ['no URL', { jwksUrl: 'keys' }, ['jwksUrl']],
  [
    'what is for a URL, without one',
    { ca: 'ca.pem', family: 4, watch: 5 },
    ['ca', 'family', 'watch'],
  ],
  [
    'a moment that is none',
    { liveSince: { kid: { time: '2026-13-01T00:00Z', reason: 'r' } } },
    ['liveSince/kid/time'],
  ],
])('%s is a complaint', (_, nonprod, at) => {
  expect(places(nonprod)).toEqual(at.map(each => `/keys/nonprod/${each}`))
})

test('what is good is no complaint, and loopback may be in clear', () => {
  const liveSince = { kid: { time: '2026-11-25T12:00Z', reason: 'seen by hand' } }
  expect(places({ jwksUrl, ca: 'ca.pem', watch: 5, guard: 5, liveSince })).toEqual([])
  expect(places({ jwksUrl: 'http://127.0.0.1:8080/jwks.json' })).toEqual([])
})

test('what is left out is null, and paths are absolute', () => {
  const tools = {
    pathAt: (_: string, given: string) => `/at/${given}`,
    readAuthorities: () => 'PEM',
  }
  const liveSince = { kid: { time: '2026-11-25T12:00Z', reason: 'seen by hand' } }
  const keys = {
    nonprod: NONPROD,
    production: { ...NONPROD, standbyFolder: 's', ca: 'c', liveSince },
  }
  const settled = settleKeys(keys, tools)
  expect(settled.get('nonprod')).toEqual({
    ...{
      folder: '/at/private',
      standbyFolder: null,
      jwksUrl: null,
      ca: null,
      watch: null,
      family: null,
    },
    ...{ guard: null, liveSince: new Map(), heldElsewhere: [] },
  })
  expect(settled.get('production')).toMatchObject({
    ...{ standbyFolder: '/at/s', ca: 'PEM' },
    liveSince: new Map([['kid', { at: Date.UTC(2026, 10, 25, 12), reason: 'seen by hand' }]]),
  })
})
