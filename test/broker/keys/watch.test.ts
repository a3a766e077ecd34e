import { describe, expect, test } from 'vitest'
import { openWatch, type Seen, type Watching } from '../../../broker/keys/watch.ts'
import { openWays, type Ways } from '../../../broker/keys/ways.ts'
import type { PublicKey } from '../../../keys-pipeline/jwk.ts'
import { movedClock } from '../../support/clock.ts'
import { ecJwk, published, rsaJwk } from '../../support/keys.ts'
import {
  type Answer,
  CACHE,
  type PublicationHost,
  publicationHost,
  setOf,
} from '../../support/publication-host.ts'

// In the order in which a set has them.
const [OLD, NEW] = inOrder(published(rsaJwk()), published(ecJwk()))

const direct = openWays(() => performance.now(), null)

function watching(host: { url: string }, parts: Partial<Watching> = {}, ways: Ways = direct) {
  const clock = movedClock()
  const seen: Seen[] = []
  const watched = {
    url: host.url,
    ca: null,
    family: null,
    every: null,
    isAwaiting: false,
    ...parts,
  }
  let looks = 0
  const watch = openWatch({
    ...{ clock: clock.clock, chance: () => 0, ways, buster: () => `${looks++}` },
    watchings: () => new Map([['nonprod', watched]]),
    onSeen: (_, each) => void seen.push(each),
  })
  const round = async (): Promise<Seen> => {
    clock.advance(3600)
    await watch.tick()
    const last = seen.at(-1)
    if (last === undefined) throw new Error('nothing was seen')
    return last
  }
  return { clock, watch, seen, watched, round }
}

function inOrder(one: PublicKey, other: PublicKey): [PublicKey, PublicKey] {
  return one.thumbprint < other.thumbprint ? [one, other] : [other, one]
}

const keysOf = ({ round }: Seen) => round.looks.map(look => look?.keys)

test('a round looks with and without a cache-buster, and finds the keys and how long copies live', async () => {
  const host = await publicationHost(setOf([OLD, NEW]))
  const seen = await watching(host).round()
  const look = {
    keys: [OLD.thumbprint, NEW.thumbprint],
    life: { shared: 600, own: 86_400 },
  }
  expect(seen.round.looks).toEqual([look, look])
  expect(seen.faults).toEqual([])
  expect([...seen.published.keys()]).toEqual(look.keys)
  expect(host.asked.map(({ isFresh }) => isFresh).sort()).toEqual([false, true])
})

const body =
  (type: string, text: string, status = 200): Answer =>
  reply => {
    reply.writeHead(status, { 'content-type': type }).end(text)
  }

describe('a look tells nothing, and throws nothing, where it meets', () => {
  test.each<[string, string, Answer]>([
    ['a redirect', 'redirect', reply => reply.writeHead(302, { location: '/x' }).end()],
    ['a page', 'html', body('text/html', '<!doctype html><title>Moved</title>')],
    ['a page that says it is JSON', 'html', body('application/json', '<html></html>')],
    ['a sign-in', 'sign_in', body('text/html', '<html>', 401)],
    ['a firewall', 'sign_in', body('text/html', '<html>', 403)],
    ['nothing', 'not_found', body('text/plain', '', 404)],
    ['too many requests', 'rate_limited', body('application/json', '{}', 429)],
    ['a fault', 'server_error', body('text/plain', 'no', 503)],
    ['another status', 'status', body('application/json', '{"keys":[]}', 206)],
    ['a set of another type', 'type', body('text/plain', '{"keys":[]}')],
    ['no JSON', 'not_json', body('application/json', 'keys')],
    ['a key by itself', 'not_key_set', body('application/json', JSON.stringify(OLD.jwk))],
    ['other JSON', 'not_json', body('application/json', '{"key":[]}')],
    ['an empty body', 'not_json', body('application/json', '')],
    ['a 304 that nobody asked for', 'unasked', body('application/json', '', 304)],
    [
      'a body that is cut short',
      'unreachable',
      reply => {
        reply.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
        reply.write('{"keys":')
        reply.socket?.end()
      },
    ],
    ['a body without an end', 'too_large', body('application/json', ' '.repeat(1_500_000))],
    ['a connection that is reset', 'unreachable', reply => reply.socket?.resetAndDestroy()],
    ['what is no HTTP', 'unreachable', reply => reply.socket?.end('hello\r\n\r\n')],
  ])('%s', async (_, state, answer) => {
    const host = await publicationHost(answer)
    const seen = await watching(host).round()
    expect(seen.round.looks).toEqual([null, null])
    expect(seen.faults).toMatchObject([
      { state, way: 'IPv4', isFresh: false },
      { state, way: 'IPv4', isFresh: true },
    ])
  })

  test('nobody at the port', async () => {
    const host = await publicationHost(setOf([]))
    const closed = { ...host, url: host.url.replace(/:\d+/, ':1') }
    expect((await watching(closed).round()).round.looks).toEqual([null, null])
  })

  test('a name that is not there', async () => {
    const seen = await watching({ url: 'https://keys.invalid/jwks.json' }).round()
    expect(seen.round.looks).toEqual([null])
    expect(seen.faults).toMatchObject([{ state: 'name_not_found' }])
  })
})

test('a set without a key is a look that lacks it, and so is one with nothing but broken keys', async () => {
  const host = await publicationHost(setOf([]))
  const { round } = watching(host)
  expect(keysOf(await round())).toEqual([[], []])
  host.answer = body('application/json', '{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"},7,null]}')
  expect(keysOf(await round())).toEqual([[], []])
})

test('a stale edge of one address family is a look of its own', async () => {
  const [edge, stale] = [
    await publicationHost(setOf([OLD, NEW])),
    await publicationHost(setOf([OLD])),
  ]
  const ways: Ways = async (url, ca) => {
    const other = new URL(stale.url)
    const [[first], [second]] = [await direct(url, ca, null), await direct(other, ca, null)]
    if (!first || !second) throw new Error('loopback has an address')
    const at = (path: string) => `${other.origin}${path.slice(url.origin.length)}`
    return [
      first,
      { ...second, name: 'IPv6', visit: (path, asked) => second.visit(at(path), asked) },
    ]
  }
  const seen = await watching(edge, {}, ways).round()
  const [both, one] = [[OLD.thumbprint, NEW.thumbprint], [OLD.thumbprint]]
  expect(keysOf(seen)).toEqual([both, both, one, one])
})

describe('a set that is known is asked for by its ETag', () => {
  const etags = ({ asked }: PublicationHost) => asked.splice(0).map(each => each.etag ?? null)

  test('and a 304 confirms it', async () => {
    const host = await publicationHost(setOf([OLD]))
    const { round } = watching(host)
    await round()
    expect(etags(host)).toEqual([null, null])
    expect(keysOf(await round())).toEqual([[OLD.thumbprint], [OLD.thumbprint]])
    expect(etags(host).filter(each => each !== null)).toHaveLength(1)
  })

  test('but not where a look that no cache answers had something else', async () => {
    const host = await publicationHost(setOf([OLD]))
    const { round } = watching(host)
    await round()
    // A copy that confirms for ever what it has.
    host.answer = (reply, request) => {
      const isConfirmed = request.headers['if-none-match'] !== undefined
      return isConfirmed ? reply.writeHead(304).end() : setOf([NEW])(reply, request)
    }
    expect(keysOf(await round())).toEqual([[OLD.thumbprint], [NEW.thumbprint]])
    expect(keysOf(await round())).toEqual([[NEW.thumbprint], [NEW.thumbprint]])
  })

  test('and the life of the copy is the one that the 304 gives it', async () => {
    const host = await publicationHost(setOf([OLD]))
    const { round } = watching(host)
    await round()
    host.answer = setOf([OLD], { 'cache-control': 'max-age=7' })
    expect((await round()).round.looks.map(look => look?.life.own)).toEqual([7, 7])
  })
})

describe('the next round', () => {
  test.each([
    ['comes after a minute while something is awaited', { isAwaiting: true }, 60],
    ['comes after five minutes else', {}, 300],
    ['comes when the config says', { every: 7, isAwaiting: true }, 7],
  ])('%s', async (_, parts, seconds) => {
    const host = await publicationHost(setOf([]))
    const { watch, clock, seen } = watching(host, parts)
    await watch.tick()
    clock.advance(seconds - 1)
    await watch.tick()
    expect(seen).toHaveLength(1)
    clock.advance(1)
    await watch.tick()
    expect(seen).toHaveLength(2)
  })

  test('comes at once where the config names another URL', async () => {
    const [host, other] = [await publicationHost(setOf([])), await publicationHost(setOf([OLD]))]
    const { watch, watched, seen } = watching(host)
    await watch.tick()
    watched.url = other.url
    await watch.tick()
    expect(seen.map(each => keysOf(each)[0])).toEqual([[], [OLD.thumbprint]])
  })

  test('never begins while one is under way', async () => {
    const host = await publicationHost(setOf([]))
    const { watch, clock } = watching(host, { every: 1 })
    const first = watch.tick()
    clock.advance(10)
    await watch.tick()
    await first
    expect(host.asked).toHaveLength(2)
  })
})

test('what was seen of a URL that is no longer watched is told to nobody', async () => {
  const host = await publicationHost(setOf([OLD]))
  const { watch, watched, seen } = watching(host)
  const under = watch.tick()
  watched.url = 'https://keys.example.com/jwks.json'
  await under
  expect(seen).toEqual([])
})

test('a look that is under way ends when the watch is closed', async () => {
  const arrived = Promise.withResolvers<void>()
  const host = await publicationHost(() => arrived.resolve())
  const { watch, seen } = watching(host)
  const round = watch.tick()
  await arrived.promise
  await watch.close()
  await round
  expect(seen).toEqual([])
})

test('it says who it is, so that a host can tell it from hospitals', async () => {
  const host = await publicationHost(setOf([]))
  await watching(host).round()
  expect(new Set(host.asked.map(({ agent }) => agent))).toEqual(new Set(['lockstep-watch']))
  expect(CACHE).toContain('max-age')
})
