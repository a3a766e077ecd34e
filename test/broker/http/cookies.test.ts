import { expect, test } from 'vitest'
import { readCookies, writeCookie } from '../../../broker/http/cookies.ts'

test.each<[string | undefined, [string, string][]]>([
  [undefined, []],
  ['', []],
  [
    'a=1; b=2',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  [
    'a=1;b=2=3',
    [
      ['a', '1'],
      ['b', '2=3'],
    ],
  ],
  ['a=1; a=2', [['a', '1']]],
  ['=1; nonsense; c=', [['c', '']]],
])('cookies are read as browsers write them: %s', (header, cookies) => {
  expect([...readCookies(header)]).toEqual(cookies)
})

const COOKIE = { name: '__Host-a', value: 'x', life: 600, isEmbedded: false }

test('a cookie is this host’s alone, over TLS, out of reach for scripts, and stays at home', () => {
  expect(writeCookie(COOKIE)).toBe(
    '__Host-a=x; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600',
  )
  expect(writeCookie({ ...COOKIE, life: null })).not.toContain('Max-Age')
})

test('in a frame of another site it is that site’s own copy', () => {
  expect(writeCookie({ ...COOKIE, life: null, isEmbedded: true })).toBe(
    '__Host-a=x; Path=/; Secure; HttpOnly; SameSite=None; Partitioned',
  )
})
