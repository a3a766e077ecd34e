import { expect, test } from 'vitest'
import { CACHE, headersFile, headersOf } from '../../keys-pipeline/headers.ts'

test.each([
  ['.well-known/jwks.json', 'application/json'],
  ['index.html', 'text/html; charset=utf-8'],
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

test('the _headers file names each path with the same headers', () => {
  const text = headersFile(['a.json', 'b.pem'])
  for (const path of ['a.json', 'b.pem']) {
    const block = text.split('\n\n').find(each => each.trim().startsWith(`/${path}`)) ?? ''
    for (const [name, value] of Object.entries(headersOf(path, CACHE.published)))
      expect(block).toContain(`  ${name}: ${value}`)
  }
})
