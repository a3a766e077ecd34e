import { expect, test } from 'vitest'
import { isTold, lifeOf, readLook, type Told } from '../../../broker/keys/look.ts'
import { published, rsaJwk } from '../../support/keys.ts'

const KEY = published(rsaJwk())
const look = (parts: object = {}, headers: Record<string, string> = {}) => ({
  ...{ url: 'https://keys.example.com/jwks.json', failure: null, status: 200, took: 1 },
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify({ keys: [KEY.jwk] })),
  ...parts,
})

const told = (seen: ReturnType<typeof readLook>): Told => {
  if (!isTold(seen)) throw new Error(seen.state)
  return seen
}

test('a key set tells its keys, and its ETag where that is one to be repeated', () => {
  const seen = told(readLook(look({}, { etag: '"a"' }), null))
  expect([seen.keys.map(each => each.thumbprint), seen.etag]).toEqual([[KEY.thumbprint], '"a"'])
  expect(told(readLook(look({}, { etag: 'x'.repeat(10_000) }), null)).etag).toBeNull()
})

test('a redirect to a long place is told by the beginning of it', () => {
  const seen = readLook(look({ status: 302 }, { location: 'x'.repeat(10_000) }), null)
  expect(isTold(seen) ? '' : seen.detail.length).toBe(300)
})

test('a 304 confirms what was asked about, and nothing else', () => {
  const before = told(readLook(look({}, { 'cache-control': 'max-age=5' }), null))
  expect(readLook(look({ status: 304 }), before)).toMatchObject({ text: before.text })
  expect(readLook(look({ status: 304 }), null)).toMatchObject({ state: 'unasked' })
  expect(readLook(look({ status: 304, failure: 'timeout' }), before)).toMatchObject({
    state: 'timeout',
  })
})

test('a copy lives as its Cache-Control says, and 29 hours where nothing is said', () => {
  const life = (header?: string) =>
    lifeOf(told(readLook(look({}, header ? { 'cache-control': header } : {}), null)))
  expect(life('max-age=60, s-maxage=7, stale-while-revalidate=3')).toEqual({ own: 60, shared: 10 })
  expect(life()).toEqual({ own: 29 * 3600, shared: 29 * 3600 })
  expect(life('no-store')).toEqual({ own: 0, shared: 0 })
})
