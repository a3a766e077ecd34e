import { generateKeyPairSync } from 'node:crypto'
import { createServer as createPlain, type RequestListener } from 'node:http'
import type { ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createRaw, type Server, type Socket } from 'node:net'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Comparison } from '../../../keys-pipeline/doctor/evidence.ts'
import type { Beside } from '../../../keys-pipeline/doctor/judge-keys.ts'
import type { Probe } from '../../../keys-pipeline/doctor/probe.ts'
import { type PublicKey, toPublicKey } from '../../../keys-pipeline/jwk.ts'
import { serializeKeySet } from '../../../keys-pipeline/key-set.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import { type Seen, seen } from '../../support/doctor.ts'
import { ecJwk, folderWith, type Jwk, privateJwk, rsaJwk } from '../../support/keys.ts'
import { type Answer, Pages, pack } from '../../support/pages.ts'

let authority: Authority
let identity: { cert: string; key: string }

beforeAll(async () => {
  authority = await makeAuthority()
  identity = await authority.issue()
})

const named = (source: Jwk, kid: string, more: Jwk = {}): Jwk => ({
  ...{ ...source, kid, use: 'sig' },
  ...{ alg: source['kty'] === 'EC' ? 'ES256' : 'RS384' },
  ...more,
})
const publicKey = (source: Jwk): PublicKey => {
  const { key } = toPublicKey(source, 'x')
  if (key === null) throw new Error('the key of a test is good')
  return key
}
const A = () => named(rsaJwk(0), 'a')
const B = () => named(rsaJwk(1), 'b')
const setOf = (...keys: Jwk[]): string => JSON.stringify({ keys })

/** A site on the emulator of Pages, and what makes it sick. */
interface Case {
  /** The body, where it is not a good set of one key. */
  text?: string
  /** What the host makes of each answer. */
  meddle?: Pages['meddle']
  tls?: ServerOptions | (() => Promise<ServerOptions>)
  probe?: Partial<Probe>
  beside?: Partial<Beside>
  url?: (url: string) => string
}

const PATH = '.well-known/jwks.json'

async function seenAt({ text = setOf(A()), meddle, tls, probe, beside, url }: Case): Promise<Seen> {
  const options = typeof tls === 'function' ? await tls() : { ...identity, ...tls }
  const pages = await new Pages(options, Date.now).start()
  onTestFinished(() => pages.stop())
  pages.deploy(pack(folderWith({ [PATH]: text }), { includeHiddenFiles: true }))
  if (meddle) pages.meddle = meddle
  const asked = `${pages.url}/${PATH}`
  return seen(url ? url(asked) : asked, { ca: authority.ca, ...probe }, beside)
}

const status =
  (code: number, headers: Record<string, string> = {}): Pages['meddle'] =>
  answer => ({ ...answer, status: code, headers: { ...answer.headers, ...headers } })
const header =
  (name: string, value: string): Pages['meddle'] =>
  answer => ({ ...answer, headers: { ...answer.headers, [name]: value } })
const body =
  (change: (text: string) => string | Buffer): Pages['meddle'] =>
  answer => ({ ...answer, body: Buffer.from(change(answer.body.toString())) })
const page = (answer: Answer, code = 200): Answer => ({
  ...{ status: code, headers: { 'content-type': 'text/html; charset=utf-8' } },
  body: Buffer.from(`<!doctype html><title>${answer.status}</title>`),
})
/** Each that many times, beginning with the first. */
function every(times: number, change: Pages['meddle']): Pages['meddle'] {
  let asked = 0
  return (answer, request) => (asked++ % times === times - 1 ? change(answer, request) : answer)
}

let ahead = 0
const movedClock = { elapsed: () => performance.now() + ahead }
const slowBy =
  (milliseconds: number): Pages['meddle'] =>
  answer => {
    ahead += milliseconds
    return answer
  }

const own = (keys: Jwk[], others: Jwk[] = []): Partial<Beside> => ({
  comparison: {
    environment: 'production',
    text: serializeKeySet(keys.map(publicKey)),
    keys: keys.map(publicKey),
    others: others.map(publicKey),
  } satisfies Comparison,
})
const built = (...keys: Jwk[]): string => serializeKeySet(keys.map(publicKey))
const shortRsa = (): Jwk =>
  generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as Jwk
const otherCurve = (): Jwk =>
  generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }) as Jwk

/** Sick sites, each with the one thing that the doctor says is bad about it. */
const FAULTS: readonly [string, string, Case][] = [
  ['the URL is http', 'url_not_https', { url: url => url }],
  ['the URL has a user', 'url_not_plain', { url: url => url.replace('//', '//user@') }],
  ['the URL has a fragment', 'url_not_plain', { url: url => `${url}#keys` }],
  ['there is no such name', 'name_not_found', { probe: { addresses: undefined } }],
  [
    'the name leads inside',
    'name_private',
    { probe: { addresses: undefined, resolve: async () => ['127.0.0.1'] } },
  ],
  ['the port is closed', 'door_closed', { url: url => url.replace(/:\d+/, ':1') }],
  [
    'one of two servers is down',
    'door_of_one_closed',
    { probe: { addresses: ['127.0.0.1', '127.0.0.2'] } },
  ],
  [
    'the certificate has expired',
    'certificate_expired',
    { tls: () => authority.issue({ notAfter: new Date('2024-01-01') }) },
  ],
  [
    'the certificate is not valid yet',
    'certificate_not_yet_valid',
    { tls: () => authority.issue({ notBefore: new Date('2098-01-01') }) },
  ],
  [
    'the certificate is for another name',
    'certificate_other_name',
    { tls: () => authority.issue({ names: ['owner.github.io'] }) },
  ],
  ['the authority is our own', 'certificate_untrusted', { probe: { ca: undefined } }],
  [
    'the certificate between is not sent',
    'chain_incomplete',
    { tls: () => authority.issue({ isBelowAnother: true }) },
  ],
  [
    'the certificate is weak',
    'certificate_weak',
    {
      tls: async () => ({
        ...(await authority.issue({ bits: 1024 })),
        ciphers: 'DEFAULT@SECLEVEL=0',
      }),
    },
  ],
  [
    'TLS 1.1 is the newest',
    'tls_too_old',
    { tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } },
  ],
  ['a redirect', 'redirected', { meddle: status(301, { location: '/jwks.json' }) }],
  [
    'a redirect to a sign-in',
    'sign_in_asked',
    { meddle: status(302, { location: 'https://github.com/pages/auth?x' }) },
  ],
  ['a sign-in', 'sign_in_asked', { meddle: status(401, { 'www-authenticate': 'Basic' }) }],
  ['a firewall that allows some', 'forbidden', { meddle: answer => page(answer, 403) }],
  ['.well-known was dropped', 'not_found', { url: url => url.replace('jwks', 'gone') }],
  ['too many requests', 'rate_limited', { meddle: answer => page(answer, 429) }],
  ['an outage', 'server_error', { meddle: answer => page(answer, 503) }],
  ['a bad gateway', 'server_error', { meddle: answer => page(answer, 502) }],
  ['an answer without content', 'status_other', { meddle: status(206) }],
  ['a connection that ends', 'answer_broken', { meddle: () => 'an end' }],
  ['no answer', 'answer_timeout', { meddle: () => 'nothing', probe: { deadline: 0.2 } }],
  ['far too much', 'answer_too_large', { meddle: body(text => text + ' '.repeat(2 ** 20)) }],
  [
    'only browsers are let in',
    'some_clients_refused',
    {
      meddle: (answer, request) => (request.headers['user-agent'] ? answer : page(answer, 403)),
    },
  ],
  ['one answer in three fails', 'sometimes_fails', { meddle: every(3, status(503)) }],
  [
    'two servers, two sets',
    'sets_differ',
    {
      meddle: every(
        3,
        body(() => setOf(B())),
      ),
    },
  ],
  [
    'the origin is down behind its cache',
    'origin_fails',
    {
      meddle: (answer, request) => (request.url?.includes('?') ? page(answer, 503) : answer),
    },
  ],
  ['six seconds', 'slow', { meddle: slowBy(6000), probe: movedClock }],
  ['a page in place of the set', 'html', { meddle: answer => page(answer) }],
  ['text/plain', 'type_other', { meddle: header('content-type', 'text/plain') }],
  [
    'no type that fits',
    'type_other',
    { meddle: header('content-type', 'application/octet-stream') },
  ],
  ['compressed for everybody', 'encoding_unasked', { meddle: header('content-encoding', 'br') }],
  ['a byte order mark', 'byte_order_mark', { meddle: body(text => `\ufeff${text}`) }],
  ['half a file', 'not_json', { text: setOf(A()).slice(0, -20) }],
  ['nothing at all', 'not_json', { text: '' }],
  ['a PEM', 'not_json', { text: '-----BEGIN PUBLIC KEY-----\n' }],
  ['a bare key', 'not_key_set', { text: JSON.stringify(A()) }],
  ['a list', 'not_key_set', { text: '[]' }],
  ['keys that are no list', 'not_key_set', { text: '{"keys":{}}' }],
  ['one member twice', 'json_member_twice', { text: '{"keys":[],"keys":[]}' }],
  ['no key', 'no_keys', { text: setOf() }],
  ['a private key', 'private_member', { text: setOf(named(privateJwk(), 'a')) }],
  ['a shared key', 'private_member', { text: setOf({ kty: 'oct', k: 'AAAA', kid: 'a' }) }],
  ['a short key', 'rsa_short', { text: setOf(named(shortRsa(), 'a')) }],
  ['an exponent of 3', 'rsa_exponent', { text: setOf(named(rsaJwk(), 'a', { e: 'Aw' })) }],
  [
    'a leading zero',
    'integer_leading_zero',
    { text: setOf(named(rsaJwk(), 'a', { e: 'AAEAAQ' })) },
  ],
  ['padding', 'base64url_not_canonical', { text: setOf(named(rsaJwk(), 'a', { e: 'AQAB====' })) }],
  [
    'a point off the curve',
    'point_off_curve',
    { text: setOf(named(ecJwk(), 'a', { x: ecJwk('P-256', 1)['x'] })) },
  ],
  ['another curve', 'curve_unsupported', { text: setOf(named(otherCurve(), 'a')) }],
  [
    'an alg of another type',
    'alg_mismatch',
    { text: setOf(named(ecJwk(), 'a', { alg: 'RS256' })) },
  ],
  ['PS256', 'alg_unsupported', { text: setOf(named(rsaJwk(), 'a', { alg: 'PS256' })) }],
  ['a key for encryption', 'use_not_sig', { text: setOf(named(rsaJwk(), 'a', { use: 'enc' })) }],
  ['no kid', 'kid_missing', { text: setOf({ ...rsaJwk(), alg: 'RS384', use: 'sig' }) }],
  ['a kid of another script', 'kid_invalid', { text: setOf(named(rsaJwk(), 'ключ')) }],
  ['one kid twice', 'kid_duplicate', { text: setOf(A(), named(rsaJwk(1), 'a')) }],
  ['one key twice', 'key_twice', { text: setOf(A(), named(rsaJwk(0), 'c')) }],
  ['a key that is thrown away', 'kid_dev', { text: setOf(named(rsaJwk(), 'dev-0123456789ab')) }],
  ['an EHR that takes none', 'ehr_takes_none', { beside: { ehr: 'modmed' } }],
  ['a key is not live yet', 'keys_missing', { text: built(A()), beside: own([A(), B()]) }],
  ['a key that nobody committed', 'keys_extra', { text: built(A(), B()), beside: own([A()]) }],
  [
    'a key of the other environment',
    'key_of_other_environment',
    { text: built(A(), B()), beside: own([A()], [B()]) },
  ],
  [
    'the private key is of another pair',
    'private_key_not_published',
    { beside: { privateKey: publicKey(B()) } },
  ],
  [
    'the private key has another kid',
    'private_key_kid_differs',
    { beside: { privateKey: publicKey(named(rsaJwk(0), 'c')) } },
  ],
]

describe('each fault is named, and is the only bad finding', () => {
  test.each(FAULTS.filter(([, code]) => code !== 'url_not_https'))(
    '%s: %s',
    async (_, code, site) => {
      ahead = 0
      expect((await seenAt(site)).bad).toEqual([code])
    },
  )

  test('the URL is http: url_not_https', async () => {
    const url = await listening(createPlain(answerWith(setOf(A()))))
    expect((await seen(`http://localhost:${url}/jwks.json`)).bad).toEqual(['url_not_https'])
  })

  test('the port speaks http: tls_none', async () => {
    const port = await listening(createPlain(answerWith(setOf(A()))))
    expect((await seen(`https://localhost:${port}/jwks.json`)).bad).toEqual(['tls_none'])
  })

  test('the port hangs up: tls_failed', async () => {
    const port = await listening(createRaw(socket => socket.once('data', () => socket.destroy())))
    expect((await seen(`https://localhost:${port}/jwks.json`)).bad).toEqual(['tls_failed'])
  })

  test('the port says nothing: tls_failed', async () => {
    const port = await listening(createRaw(socket => socket.on('error', () => undefined)))
    const { bad } = await seen(`https://localhost:${port}/jwks.json`, { deadline: 0.2 })
    expect(bad).toEqual(['tls_failed'])
  })

  test('two addresses, two sites: address_answers_otherwise', async () => {
    const first = await new Pages(identity, Date.now).start()
    const port = Number(new URL(first.url).port)
    const second = await new Pages(identity, Date.now).start({ port, host: '127.0.0.2' })
    onTestFinished(async () => {
      await first.stop()
      await second.stop()
    })
    for (const [pages, text] of [
      [first, setOf(A())],
      [second, setOf(A(), B())],
    ] as const)
      pages.deploy(pack(folderWith({ [PATH]: text }), { includeHiddenFiles: true }))
    const { bad } = await seen(`${first.url}/${PATH}`, {
      ...{ ca: authority.ca, addresses: ['127.0.0.1', '127.0.0.2'] },
    })
    expect(bad).toEqual(['address_answers_otherwise'])
  })

  test('more keys than Epic reads: too_many_keys', async () => {
    const many = Array.from({ length: 101 }, (_, at) => {
      const { publicKey: made } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return named(made.export({ format: 'jwk' }) as Jwk, `${at}`)
    })
    expect((await seenAt({ text: setOf(...many) })).bad).toEqual(['too_many_keys'])
  })
})

const answerWith =
  (text: string): RequestListener =>
  (_, reply) =>
    reply.writeHead(200, { 'content-type': 'application/json' }).end(text)

async function listening(server: Server): Promise<number> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Sites that an EHR reads, each with what there is to think about. */
const HEALTHY: readonly [string, string[], Case][] = [
  ['as Pages serves it', [], {}],
  ['with an EC key', [], { text: setOf(named(ecJwk(), 'a')) }],
  ['with two keys', [], { text: setOf(A(), B()) }],
  ['as it is built, beside its repository', [], { text: built(A(), B()), beside: own([A(), B()]) }],
  ['under its own media type', [], { meddle: header('content-type', 'application/jwk-set+json') }],
  ['by TLS 1.2 alone', [], { tls: { maxVersion: 'TLSv1.2' } }],
  ['with its private key', [], { beside: { privateKey: publicKey(A()) } }],
  [
    'with key_ops in place of use',
    [],
    { text: setOf({ ...A(), use: undefined, key_ops: ['verify'] }) },
  ],
  ['seen from where IPv6 ends', [], { probe: { addresses: ['127.0.0.1', '2001:db8::1'] } }],
  [
    'for an EHR that takes one of two',
    [],
    {
      ...{ text: setOf(A(), named(ecJwk('P-384'), 'b', { alg: 'ES384' })) },
      beside: { ehr: 'modmed' },
    },
  ],
  ['by TLS 1.3 alone', ['tls_only_newest'], { tls: { minVersion: 'TLSv1.3' } }],
  [
    'by old TLS too',
    ['tls_old_accepted'],
    { tls: { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } },
  ],
  [
    'with a certificate that ends soon',
    ['certificate_ends_soon'],
    { tls: () => authority.issue({ notAfter: new Date(Date.now() + 5 * 86_400_000) }) },
  ],
  [
    'with x5c and no use',
    ['use_missing', 'members_extra'],
    {
      text: setOf({ ...A(), use: undefined, x5c: [] }),
    },
  ],
  ['without alg', ['alg_missing'], { text: setOf({ ...A(), alg: undefined }) }],
  ['in other bytes', ['text_differs'], { text: setOf(A()), beside: own([A()]) }],
  ['in three seconds', ['rather_slow'], { meddle: slowBy(3000), probe: movedClock }],
  ['without CORS', ['cors_missing'], { meddle: header('access-control-allow-origin', '') }],
  ['not to be kept', ['cache_none'], { meddle: header('cache-control', 'no-store') }],
  ['for a month', ['cache_long'], { meddle: header('cache-control', 'max-age=2592000') }],
  ['for a day', ['cache_hides_new_keys'], { meddle: header('cache-control', 'max-age=86400') }],
  ['as long as anybody likes', ['cache_unsaid'], { meddle: header('cache-control', '') }],
  ['in a riddle', ['cache_unreadable'], { meddle: header('cache-control', 'max-age=1d') }],
  [
    'from an edge that is late',
    ['edge_stale'],
    {
      meddle: (answer, request) =>
        request.url?.includes('?') ? { ...answer, body: Buffer.from(setOf(A(), B())) } : answer,
    },
  ],
  ['at a large size', ['size_large'], { meddle: body(text => text + ' '.repeat(70_000)) }],
]

test.each(HEALTHY)('a healthy site %s has nothing bad', async (_, warnings, site) => {
  ahead = 0
  const found = await seenAt(site)
  expect(found.bad).toEqual([])
  // The tests have no port 443.
  expect(found.warnings).toEqual(['url_port', ...warnings])
})

test('nothing is said of keys that could not be read, and of vendors only where there are keys', async () => {
  const { remarks, vendors } = await seenAt({ meddle: answer => page(answer) })
  expect(remarks.filter(each => ['json', 'keys', 'ehr'].includes(each.check))).toEqual([])
  expect(vendors).toEqual([])
  expect(
    (await seenAt({})).vendors.filter(each => each.takes === 1).map(each => each.name),
  ).toEqual(['epic', 'oracle-health', 'athenahealth', 'eclinicalworks', 'meditech', 'medplum'])
})
