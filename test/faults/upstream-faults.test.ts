import type { ServerOptions } from 'node:https'
import { createServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import type { Fault } from '../sandbox/faults.ts'
import { makeAuthority } from '../support/certificates.ts'
import { Pages } from '../support/pages.ts'
import {
  COVERAGE,
  makeWorld,
  PATIENT,
  SECRET,
  type World,
  type WorldOptions,
} from '../support/world.ts'

const LIFE = 3600
const TOKEN = {
  ...{ access_token: 'a-token', token_type: 'bearer', expires_in: LIFE, scope: PATIENT },
}

const json =
  (body: unknown, status = 200): Fault =>
  (_, reply) =>
    reply.code(status).send(body)
const text =
  (body: string | Buffer, type = 'application/json', status = 200): Fault =>
  (_, reply) =>
    reply.code(status).type(type).send(body)
const token = (more: object): Fault => json({ ...TOKEN, ...more })
const refusal = (error: string, status = 400): Fault =>
  json({ error, error_description: null }, status)
const withHeader =
  (fault: Fault, name: string, value: string): Fault =>
  (request, reply, work) =>
    fault(request, reply.header(name, value), work)
/** In place of an answer: what happens on the wire. */
const wire =
  (act: (raw: Parameters<Fault>[1]['raw']) => void): Fault =>
  (_, reply) => {
    reply.hijack()
    act(reply.raw)
  }
const flood = wire(raw => {
  raw.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (raw.writable && raw.write('x'.repeat(16_384)));
    if (raw.writable) raw.once('drain', more)
  }
  more()
})
const silence = wire(() => {})
const noBody = wire(raw =>
  raw.writeHead(200, { 'content-type': 'application/json' }).flushHeaders(),
)
const halfBody = wire(
  raw => void raw.writeHead(200, { 'content-type': 'application/json' }).write('{"acc'),
)
/** Only with these is the deadline waited for. */
const SILENT = new Set([silence, noBody, halfBody])
const HTML = '<!doctype html><title>Maintenance</title>'

/** What comes of it: for the first caller, in calls; and in calls once a second one has asked a second later. */
interface Outcome {
  /** The `code` of a refusal, or the seconds of a token. */
  gets: string | number
  calls: number
  /** Calls after the second request: as many where the answer is remembered or cached. */
  after: number
  retryAfter?: string
}

const remembered = (gets: string): Outcome => ({ gets, calls: 1, after: 1 })
const served = (seconds: number, calls = 1): Outcome => ({ gets: seconds, calls, after: calls })
/** Three attempts; the fifth failure in a row opens the breaker. */
const outage = (gets: string): Outcome => ({ gets, calls: 3, after: 5 })

const ONCE = 1
const ALWAYS = 20

/** EHRs that never gave a token before. */
const FAULTS: readonly [string, Fault, Outcome, times?: number][] = [
  ['the connection is closed', wire(raw => raw.socket?.destroy()), outage('upstream_unreachable')],
  ['no header comes', silence, { gets: 'upstream_timeout', calls: 1, after: 2 }],
  ['no body comes', noBody, { gets: 'upstream_timeout', calls: 1, after: 2 }],
  ['half a body comes', halfBody, { gets: 'upstream_timeout', calls: 1, after: 2 }],
  [
    'a body that is cut',
    wire(raw => {
      raw.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' }).write('{')
      setImmediate(() => raw.socket?.destroy())
    }),
    outage('upstream_unreachable'),
  ],
  ['no HTTP', wire(raw => void raw.socket?.end('SSH-2.0-x\r\n')), outage('upstream_unreachable')],
  ['a body without end', flood, remembered('upstream_reply_too_large')],
  ['70 KB', text('x'.repeat(70_000)), remembered('upstream_reply_too_large')],
  [
    'a gzip bomb',
    withHeader(text(gzipSync(' '.repeat(10_000_000))), 'content-encoding', 'gzip'),
    remembered('upstream_not_json'),
  ],
  ['HTML with status 200', text(HTML, 'text/html'), remembered('upstream_not_json')],
  [
    'HTML with status 502',
    text(HTML, 'text/html', 502),
    { ...outage('upstream_unavailable'), retryAfter: '10' },
  ],
  ['500 as JSON', json({ error: 'server_error' }, 500), outage('upstream_unavailable')],
  [
    '503 for a minute',
    withHeader(text(HTML, 'text/html', 503), 'retry-after', '60'),
    { ...remembered('upstream_unavailable'), retryAfter: '60' },
  ],
  ['500 once', json({}, 500), served(LIFE, 2), ONCE],
  ['500 twice', json({}, 500), served(LIFE, 3), 2],
  ['a redirect', (_, reply) => reply.redirect('/elsewhere'), remembered('upstream_redirected')],
  ['nothing, with status 200', text(''), remembered('upstream_not_json')],
  ['nothing, with status 204', text('', 'application/json', 204), remembered('upstream_refused')],
  ['half a JSON document', text('{"access_token":"ab'), remembered('upstream_not_json')],
  ['JSON as text', text(JSON.stringify(TOKEN), 'text/plain'), remembered('upstream_not_json')],
  ['a list', text('[]'), remembered('upstream_reply_malformed')],
  ['null', text('null'), remembered('upstream_reply_malformed')],
  ['no token', token({ access_token: undefined }), remembered('upstream_reply_malformed')],
  ['a token that is a number', token({ access_token: 7 }), remembered('upstream_reply_malformed')],
  ['an empty token', token({ access_token: '' }), remembered('upstream_reply_malformed')],
  [
    'a token of two lines',
    token({ access_token: 'a\r\nb' }),
    remembered('upstream_reply_malformed'),
  ],
  ['no token_type', token({ token_type: undefined }), remembered('upstream_reply_malformed')],
  ['a MAC token', token({ token_type: 'mac' }), remembered('upstream_token_type')],
  ['BEARER', token({ token_type: 'BEARER' }), served(LIFE)],
  ['no expires_in', token({ expires_in: undefined }), served(300)],
  ['expires_in null', token({ expires_in: null }), served(300)],
  ['expires_in as a string', token({ expires_in: '900' }), served(900)],
  ['expires_in in words', token({ expires_in: 'soon' }), remembered('upstream_reply_malformed')],
  [
    'expires_in 0',
    token({ expires_in: 0 }),
    { gets: 'upstream_life_too_short', calls: 1, after: 2 },
  ],
  [
    'expires_in -1',
    token({ expires_in: -1 }),
    { gets: 'upstream_life_too_short', calls: 1, after: 2 },
  ],
  ['expires_in 20', token({ expires_in: 20 }), remembered('upstream_life_too_short')],
  ['expires_in 10^12', token({ expires_in: 1e12 }), served(86_400)],
  [
    'expires_in 1e999',
    text(JSON.stringify(TOKEN).replace('3600', '1e999')),
    remembered('upstream_reply_malformed'),
  ],
  [
    'a wider scope',
    token({ scope: `${PATIENT} system/*.read` }),
    { gets: 'scope_exceeds_grant', calls: 1, after: 1 },
  ],
  ['no scope', token({ scope: undefined }), served(LIFE)],
  ['a scope in other case', token({ scope: 'system/Patient.Read' }), served(LIFE)],
  ['a scope that is a list', token({ scope: [PATIENT] }), remembered('upstream_reply_malformed')],
  ['400 invalid_client', refusal('invalid_client'), remembered('upstream_invalid_client')],
  ['401 invalid_client', refusal('invalid_client', 401), remembered('upstream_invalid_client')],
  [
    '400 unauthorized_client',
    refusal('unauthorized_client'),
    remembered('upstream_unauthorized_client'),
  ],
  ['400 invalid_scope', refusal('invalid_scope'), remembered('upstream_invalid_scope')],
  ['400 invalid_request', refusal('invalid_request'), remembered('upstream_invalid_request')],
  [
    '400 unsupported_grant_type',
    refusal('unsupported_grant_type'),
    remembered('upstream_unsupported_grant_type'),
  ],
  ['400 of another kind', refusal('teapot'), remembered('upstream_refused')],
  ['400 in HTML', text(HTML, 'text/html', 400), remembered('upstream_refused')],
  ['400 without a body', text('', 'text/plain', 400), remembered('upstream_refused')],
  ['403', text('Forbidden', 'text/plain', 403), remembered('upstream_refused')],
  ['404 in HTML', text(HTML, 'text/html', 404), remembered('upstream_refused')],
  ['429', json({}, 429), { ...remembered('upstream_rate_limited'), retryAfter: '30' }],
  [
    '429 for two minutes',
    withHeader(json({}, 429), 'retry-after', '120'),
    { ...remembered('upstream_rate_limited'), retryAfter: '120' },
  ],
  [
    '429 until a moment',
    (_, reply) =>
      reply
        .code(429)
        .header('date', 'Wed, 25 Nov 2026 00:00:00 GMT')
        .header('retry-after', 'Wed, 25 Nov 2026 00:01:30 GMT')
        .send({}),
    { ...remembered('upstream_rate_limited'), retryAfter: '90' },
  ],
  [
    '429 for ever',
    withHeader(json({}, 429), 'retry-after', '99999999'),
    {
      ...remembered('upstream_rate_limited'),
      retryAfter: '3600',
    },
  ],
]

/** A broker with an EHR that answers so, and how often it was called. */
async function sick(fault: Fault, times = ALWAYS, options: WorldOptions = {}) {
  const deadline = SILENT.has(fault) ? 1 : 4
  const world = await makeWorld({
    ...{ tokenLife: LIFE, upstreams: base => ({ epic: { ...base, deadline } }) },
    ...options,
  })
  onTestFinished(() => world.close())
  const begin = (): void => {
    world.epic.faults.push(...Array.from({ length: times }, () => fault))
  }
  return {
    world,
    begin,
    end: () => void world.epic.faults.splice(0),
    calls: () => world.epic.tokenRequests,
  }
}

const outcome = async (world: World) => {
  const { statusCode, headers, json } = await world.ask()
  const { code, expires_in: seconds } = json()
  return { gets: code ?? seconds, status: statusCode, retryAfter: headers['retry-after'] }
}

describe('an EHR that never gave a token', () => {
  test.each(FAULTS)('%s', async (_, fault, expected, times) => {
    const { world, begin, calls } = await sick(fault, times)
    begin()
    const { gets, status, retryAfter } = await outcome(world)
    expect([gets, calls()]).toEqual([expected.gets, expected.calls])
    expect(status >= 500).toBe(typeof expected.gets === 'string')
    if (expected.retryAfter !== undefined) expect(retryAfter).toBe(expected.retryAfter)
    world.clock.advance(1)
    await outcome(world)
    expect(calls()).toBe(expected.after)
  })

  test.each<[string, () => Promise<string>, string]>([
    ['the port is closed', async () => 'https://localhost:1/token', 'upstream_unreachable'],
    ['the connection is reset', resetting, 'upstream_unreachable'],
    ['TLS 1.1 at most', () => badTls({}, OLD_TLS), 'upstream_tls_failed'],
    [
      'there is no such name',
      async () => 'https://no-such-host.invalid/token',
      'upstream_unreachable',
    ],
    [
      'the certificate has expired',
      () => badTls({ notAfter: new Date('2025-01-01') }),
      'upstream_tls_failed',
    ],
    [
      'the certificate is for another name',
      () => badTls({ names: ['x.example'] }),
      'upstream_tls_failed',
    ],
    ['the authority is unknown', () => badTls({}), 'upstream_tls_failed'],
  ])('%s', async (_, endpointOf, code) => {
    const tokenEndpoint = await endpointOf()
    const world = await makeWorld({
      upstreams: base => ({ epic: { ...base, tokenEndpoint, deadline: 2 } }),
    })
    onTestFinished(() => world.close())
    expect((await outcome(world)).gets).toBe(code)
  })
})

const OLD_TLS: ServerOptions = {
  maxVersion: 'TLSv1.1',
  minVersion: 'TLSv1',
  ciphers: 'DEFAULT@SECLEVEL=0',
}

async function badTls(options: object, tls: ServerOptions = {}): Promise<string> {
  const authority = await makeAuthority()
  const pages = await new Pages({ ...(await authority.issue(options)), ...tls }, Date.now).start()
  onTestFinished(() => pages.stop())
  return `${pages.url}/token`
}

async function resetting(): Promise<string> {
  const server = createServer(socket => socket.once('data', () => socket.resetAndDestroy()))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  const address = server.address()
  return `https://localhost:${typeof address === 'object' ? address?.port : 0}/token`
}

describe('an EHR that gave a token before', () => {
  test.each(
    FAULTS.filter(([, , { gets }]) => typeof gets === 'string' && gets !== 'scope_exceeds_grant'),
  )(
    'serves it past its soft end while there is %s, and not once the floor is reached',
    async (_, fault) => {
      const { world, begin } = await sick(fault)
      expect((await outcome(world)).gets).toBe(LIFE)
      begin()
      world.clock.advance(LIFE - 60)
      expect((await outcome(world)).status).toBe(200)
      world.clock.advance(29)
      expect((await outcome(world)).status).toBe(200)
      world.clock.advance(2)
      expect((await outcome(world)).status).toBeGreaterThan(500)
    },
  )

  test.each([
    ['invalid_client', refusal('invalid_client')],
    ['a bare 400', text('', 'text/plain', 400)],
  ])('answers %s once, and is asked again at once with another assertion', async (_, fault) => {
    const { world, begin, calls } = await sick(fault, ONCE)
    await outcome(world)
    world.clock.advance(LIFE)
    begin()
    expect((await outcome(world)).gets).toBe(LIFE)
    expect(calls()).toBe(3)
  })

  test('says invalid_client for good: it is asked every ten seconds and not on every request', async () => {
    const { world, begin, calls } = await sick(refusal('invalid_client'), 100)
    await outcome(world)
    world.clock.advance(LIFE)
    begin()
    for (let second = 0; second < 30; second++) {
      expect((await outcome(world)).gets).toBe('upstream_invalid_client')
      world.clock.advance(1)
    }
    expect(calls()).toBe(1 + 3 * 2)
  })
})

test('a refusal that never worked is remembered for a minute, then two, up to a quarter of an hour', async () => {
  const { world, begin, calls } = await sick(refusal('invalid_client'), 100)
  begin()
  const moments: number[] = []
  for (let minute = 0, before = 0; minute < 70; minute++) {
    await outcome(world)
    if (calls() > before) moments.push(minute)
    before = calls()
    world.clock.advance(60)
  }
  expect(moments).toEqual([0, 1, 3, 7, 15, 30, 45, 60])
})

test('what was refused and then mended works at the next probe, and one caller of many probes', async () => {
  const { world, begin, end, calls } = await sick(refusal('invalid_client'), 100)
  begin()
  await outcome(world)
  end()
  world.clock.advance(61)
  const all = await Promise.all(Array.from({ length: 20 }, () => outcome(world)))
  expect(all.every(each => each.status === 200)).toBe(true)
  expect(calls()).toBe(2)
})

test('every attempt has an assertion of its own', async () => {
  const seen: string[] = []
  const fault: Fault = (request, reply) => {
    seen.push(`${new URLSearchParams(String(request.body)).get('client_assertion')}`)
    return reply.code(503).send({})
  }
  const { world, begin } = await sick(fault, 2)
  begin()
  expect((await outcome(world)).status).toBe(200)
  expect(new Set(seen).size).toBe(2)
})

test('an EHR that asks for two seconds is given them, and then asked again', async () => {
  const { world, begin } = await sick(withHeader(json({}, 429), 'retry-after', '2'), ONCE, {
    upstreams: base => ({ epic: { ...base, deadline: 10 } }),
  })
  begin()
  const before = world.clock.now()
  expect((await outcome(world)).status).toBe(200)
  expect(world.clock.now() - before).toBe(2000)
})

test('after five failures the EHR is left alone, then one call is let through', async () => {
  const { world, begin, end, calls } = await sick(json({}, 500), 100)
  begin()
  await outcome(world)
  expect((await outcome(world)).gets).toBe('upstream_circuit_open')
  expect((await outcome(world)).gets).toBe('upstream_circuit_open')
  expect(calls()).toBe(5)
  world.clock.advance(61)
  expect((await outcome(world)).gets).toBe('upstream_circuit_open')
  expect(calls()).toBe(6)
  end()
  world.clock.advance(61)
  expect((await outcome(world)).status).toBe(200)
})

test('one hospital that hangs takes no other’s calls', async () => {
  const grant = (upstream: string, scopes: string[]) => ({ upstream, scopes })
  const { world, begin } = await sick(silence, 2, {
    upstreams: base => ({
      hanging: { ...base, deadline: 1, concurrency: 1 },
      other: { ...base, clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
    }),
    services: {
      scheduling: {
        secretSha256: [secretHash(SECRET)],
        grants: [grant('hanging', [PATIENT]), grant('other', [PATIENT, COVERAGE])],
      },
    },
  })
  begin()
  const hanging = world.ask({ audience: 'hanging' })
  await expect.poll(() => world.epic.tokenRequests).toBe(1)
  world.epic.faults.splice(0)
  expect((await world.ask({ audience: 'other' })).statusCode).toBe(200)
  expect((await hanging).statusCode).toBe(503)
})

test('an EHR whose clock is ten minutes off is told, once', async () => {
  const { world, begin } = await sick(
    withHeader(refusal('invalid_client'), 'date', 'Wed, 25 Nov 2026 00:10:00 GMT'),
    100,
  )
  begin()
  for (let times = 0; times < 3; times++) {
    await outcome(world)
    world.clock.advance(0)
  }
  const told = world
    .logged()
    .split('\n')
    .filter(line => line.includes('clocks differ'))
  expect(told.map(line => JSON.parse(line).skew)).toEqual([600])
})
