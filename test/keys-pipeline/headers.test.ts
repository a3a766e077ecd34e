import { expect, test } from 'vitest'
import { CACHE, headersFile, headersOf } from '../../keys-pipeline/headers.ts'

test.each([
  ['.well-known/jwks.json', 'application/json'],
  ['keys/x.pem', 'application/x-pem-file'],
  ['.nojekyll', 'text/plain; charset=utf-8'],
])('%s is served as %s, to any origin, without guessing', (path, type) => {
  expect(headersOf(path, CACHE.dev)).toEqual({
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
  })
})

test('an EHR may keep a set for a day, a shared proxy for ten minutes', () => {
  expect(CACHE.published).toBe('public, max-age=86400, s-maxage=600')
})

const POLICY = "default-src 'none'; style-src 'sha256-x'"
const PAGE = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`

test('a page is asked for anew each time, with its own policy, which forbids to frame it too', () => {
  expect(headersOf('index.html', CACHE.published, PAGE)).toMatchObject({
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': `${POLICY}; frame-ancestors 'none'`,
    'Referrer-Policy': 'no-referrer',
  })
  expect(headersOf('index.html', CACHE.dev, PAGE)['Cache-Control']).toBe('no-store')
})

test('a page that brings no policy may load nothing', () => {
  expect(headersOf('404.html', CACHE.published, '<p>')['Content-Security-Policy']).toBe(
    "default-src 'none'; frame-ancestors 'none'",
  )
})

test('the _headers file names each path once, with the same headers, and the front page also as /', () => {
  const site = new Map([
    ['a.json', '{}'],
    ['index.html', PAGE],
    ['b.pem', ''],
  ])
  const blocks = headersFile(site).trimEnd().split('\n\n')
  const rule = (shown: string, path: string): string => {
    const headers = Object.entries(headersOf(path, CACHE.published, site.get(path)))
    return [`/${shown}`, ...headers.map(([name, value]) => `  ${name}: ${value}`)].join('\n')
  }
  expect(blocks).toEqual([
    rule('a.json', 'a.json'),
    rule('', 'index.html'),
    rule('index.html', 'index.html'),
    rule('b.pem', 'b.pem'),
  ])
})
