import { randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { buildServer } from '../../keys-pipeline/serve.ts'
import { type Authority, makeAuthority } from '../support/certificates.ts'
import { movedClock } from '../support/clock.ts'
import { LocalEpic } from './local-epic.ts'
import { REASONS, type Reason } from './refusal.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

let authority: Authority
let dispatcher: Agent
let epic: LocalEpic
let keys: { privateKey: CryptoKey; publicKey: CryptoKey }
let other: typeof keys
const clock = movedClock()
const site = new Map<string, string>()
let origin = ''
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  authority = await makeAuthority()
  const { cert, key } = await authority.issue()
  const server = await buildServer(() => site, {
    cache: CACHE.published,
    tls: { cert: Buffer.from(cert), key: Buffer.from(key) },
    now: () => 0,
    log: () => {},
  })
  origin = (await server.listen({ host: '127.0.0.1', port: 0 })).replace('127.0.0.1', 'localhost')
  dispatcher = new Agent({ connect: { ca: authority.ca } })
  keys = await generateKeyPair('ES384', { extractable: true })
  other = await generateKeyPair('ES384', { extractable: true })
  const jwk = async (pair: typeof keys, kid: string) => ({
    ...(await exportJWK(pair.publicKey)),
    kid,
    alg: 'ES384',
    use: 'sig',
  })
  const [one, two] = [await jwk(keys, 'one'), await jwk(other, 'two')]
  site.set('jwks.json', JSON.stringify({ keys: [one] }))
  site.set('both.json', JSON.stringify({ keys: [one, two] }))
  site.set('twins.json', JSON.stringify({ keys: [one, { ...two, kid: 'one' }] }))
  site.set('swapped.json', JSON.stringify({ keys: [{ ...two, kid: 'one' }] }))
  site.set('es256.json', JSON.stringify({ keys: [{ ...one, alg: 'ES256' }] }))
  site.set('broken.json', '{')
  closing.push(
    () => server.close(),
    () => dispatcher.close(),
  )
})
beforeEach(async () => {
  epic = await new LocalEpic({
    tls: await authority.issue(),
    ca: authority.ca,
    now: clock.now,
  }).start()
  await register('app', 'jwks.json')
  return () => epic.stop()
})
afterAll(() => Promise.all(closing.map(close => close())))

const register = (clientId: string, file: string, more = {}) =>
  epic.register({
    clientId,
    environment: 'nonprod',
    jwksUrl: `${origin}/${file}`,
    scopes: ['system/Patient.read'],
    ...more,
  })

interface Attempt {
  claims?: JWTPayload
  header?: Record<string, string>
  key?: CryptoKey
  form?: Record<string, string>
  clientId?: string
  method?: 'POST' | 'GET'
  query?: string
  type?: string
  body?: string
}

async function attempt(
  parts: Attempt = {},
): Promise<{ status: number; body: Record<string, unknown>; reason: string }> {
  const { clientId = 'app', header = {}, key = keys.privateKey, method = 'POST' } = parts
  const seconds = Math.floor(clock.now() / 1000)
  const claims = {
    ...{ iss: clientId, sub: clientId, aud: epic.tokenUrl, jti: randomUUID() },
    ...{ iat: seconds - 60, nbf: seconds - 60, exp: seconds + 240 },
    ...parts.claims,
  }
  const assertion = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES384', kid: 'one', typ: 'JWT', ...header })
    .sign(key)
  const form = {
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...parts.form,
  }
  const reply = await request(`${epic.tokenUrl}${parts.query ?? ''}`, {
    method,
    dispatcher,
    headers: { 'content-type': parts.type ?? 'application/x-www-form-urlencoded' },
    ...(method === 'POST' && { body: parts.body ?? new URLSearchParams(form).toString() }),
  })
  const body = (await reply.body.json()) as Record<string, unknown>
  return { status: reply.statusCode, body, reason: epic.log.at(-1)?.reason ?? 'none' }
}

const inSeconds = (seconds: number) => Math.floor(clock.now() / 1000) + seconds

test('a good assertion gets the app’s whole scope list, whatever is asked', async () => {
  const { status, body } = await attempt({ form: { scope: 'system/Task.read' } })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    token_type: 'bearer',
    expires_in: 3600,
    scope: 'system/Patient.read',
  })
})

describe('says no with 400 and no reason, and logs the true one', () => {
  test.each<[Reason, () => Attempt]>([
    ['method_not_post', () => ({ method: 'GET' })],
    ['body_not_form', () => ({ type: 'application/json', body: '{}' })],
    ['parameters_in_url', () => ({ query: '?scope=x' })],
    [
      'parameter_twice',
      () => ({ body: 'grant_type=client_credentials&grant_type=client_credentials' }),
    ],
    ['grant_type_missing', () => ({ body: 'x=y' })],
    [
      'grant_type_unsupported',
      () => ({ form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' } }),
    ],
    [
      'assertion_missing',
      () => ({ body: `grant_type=client_credentials&client_assertion_type=${ASSERTION_TYPE}` }),
    ],
    ['assertion_type_wrong', () => ({ form: { client_assertion_type: 'jwt' } })],
    ['assertion_unreadable', () => ({ form: { client_assertion: 'x.y.z' } })],
    ['client_unknown', () => ({ clientId: 'nobody' })],
    ['typ_wrong', () => ({ header: { typ: 'client-authentication+jwt' } })],
    ['jku_differs', () => ({ header: { jku: 'https://elsewhere.example.com/jwks.json' } })],
    ['kid_not_in_set', () => ({ header: { kid: 'two' } })],
    ['signature_wrong', () => ({ key: other.privateKey })],
    ['subject_wrong', () => ({ claims: { sub: 'other' } })],
    ['audience_wrong', () => ({ claims: { aud: `${epic.tokenUrl}/` } })],
    ['audience_wrong', () => ({ claims: { aud: [epic.tokenUrl] } })],
    ['jti_missing', () => ({ claims: { jti: undefined as never } })],
    ['jti_not_string', () => ({ claims: { jti: 7 as never } })],
    ['jti_too_long', () => ({ claims: { jti: 'x'.repeat(152) } })],
    ['expired', () => ({ claims: { exp: inSeconds(0) } })],
    ['expires_too_late', () => ({ claims: { exp: inSeconds(302) } })],
    ['expires_too_late', () => ({ claims: { exp: clock.now() + 240_000 } })],
    ['not_yet_valid', () => ({ claims: { nbf: inSeconds(2) } })],
    ['valid_too_long', () => ({ claims: { nbf: inSeconds(-100) } })],
    ['issued_in_future', () => ({ claims: { iat: inSeconds(2) } })],
    ['issued_too_early', () => ({ claims: { iat: inSeconds(-100) } })],
  ])('%s', async (expected, make) => {
    const { status, body, reason } = await attempt(make())
    expect(status).toBe(400)
    expect(body).toEqual({ error: REASONS[expected], error_description: null })
    expect(reason).toBe(expected)
  })

  test('alg_not_accepted', async () => {
    const { privateKey } = await generateKeyPair('PS384')
    expect((await attempt({ header: { alg: 'PS384' }, key: privateKey })).reason).toBe(
      'alg_not_accepted',
    )
  })

  test('jti_replayed, for as long as the assertion could be valid', async () => {
    const claims = { jti: 'the-same' }
    expect((await attempt({ claims })).status).toBe(200)
    expect((await attempt({ claims })).reason).toBe('jti_replayed')
    clock.advance(301)
    expect((await attempt({ claims })).status).toBe(200)
  })

  test.each<[Reason, string, object]>([
    ['kid_not_unique', 'twins.json', {}],
    ['signature_wrong', 'swapped.json', {}],
    ['key_does_not_fit_alg', 'es256.json', {}],
    ['client_of_other_environment', 'jwks.json', { environment: 'production' }],
    ['client_not_synced', 'jwks.json', { syncedAt: Number.MAX_SAFE_INTEGER }],
    ['user_not_mapped', 'jwks.json', { userMapped: false }],
    ['static_key_does_not_verify', 'jwks.json', { staticKeys: [{ kty: 'EC' }] }],
  ])('%s, by its registration', async (expected, file, more) => {
    await register('other', file, more)
    const { body, reason } = await attempt({ clientId: 'other' })
    expect([body['error'], reason]).toEqual([REASONS[expected], expected])
  })
})

describe('a hospital of its own ways', () => {
  test('of May 2026 or later takes no key from a URL that it has not entered itself', async () => {
    epic.asksForLocalUrl = true
    expect((await attempt()).reason).toBe('url_not_entered')
    await register('app', 'jwks.json', { isUrlEntered: true })
    expect((await attempt()).reason).toBe('granted')
  })

  test('whose firewall lets its servers out nowhere cannot fetch the set', async () => {
    clock.advance(86_401)
    epic.keySets.isBlocked = true
    expect((await attempt()).reason).toBe('key_set_unreachable')
  })

  test('keeps the material alone of a key that was uploaded, and takes RSA only', async () => {
    const rsa = await generateKeyPair('RS384', { extractable: true })
    const jwk = { ...(await exportJWK(rsa.publicKey)), kid: 'thrown away', alg: 'PS512' }
    await register('app', 'jwks.json', { staticKeys: [await exportJWK(keys.publicKey), jwk] })
    expect((await attempt()).reason).toBe('static_key_does_not_verify')
    const header = { alg: 'RS384', kid: 'whatever' }
    expect((await attempt({ header, key: rsa.privateKey })).reason).toBe('granted')
  })

  test('behind a proxy takes the aud that its admins have allowed', async () => {
    const claims = { aud: 'https://proxy.example.com/token' }
    expect((await attempt({ claims })).reason).toBe('audience_wrong')
    epic.audiences.push(claims.aud)
    expect((await attempt({ claims })).reason).toBe('granted')
  })

  test('is reached with a slash at the end of its URL too, as IIS routes', async () => {
    expect((await attempt({ query: '/' })).reason).toBe('granted')
  })

  test('tells its own clock, and not this machine’s', async () => {
    const { headers, body } = await request(`${epic.fhirBase}/metadata`, { dispatcher })
    await body.dump()
    expect(Date.parse(String(headers['date']))).toBe(Math.floor(clock.now() / 1000) * 1000)
  })
})

test('an EHR that grants by request refuses where nothing that is asked for is left', async () => {
  const oracle = new LocalEpic({
    ...{ tls: await authority.issue(), ca: authority.ca, now: clock.now, grants: 'by-request' },
  })
  const kept = epic
  epic = await oracle.start()
  await register('app', 'jwks.json')
  const asking = (scope: string) => attempt({ form: { scope } })
  expect((await asking('system/Task.read')).body).toMatchObject({ error: 'invalid_scope' })
  expect((await asking('system/Task.read system/Patient.read')).body).toMatchObject({
    scope: 'system/Patient.read',
  })
  await oracle.stop()
  epic = kept
})

describe('a URL that Epic cannot use is refused when it is saved', () => {
  test.each<[Reason, () => string]>([
    ['key_set_unreachable', () => `${origin.replace('https', 'http')}/jwks.json`],
    ['key_set_unreachable', () => `${origin}/nothing.json`],
    ['key_set_unreachable', () => 'https://127.0.0.1:1/jwks.json'],
    ['key_set_unreadable', () => `${origin}/broken.json`],
  ])('%s', async (reason, url) => {
    await expect(
      epic.register({ clientId: 'x', environment: 'nonprod', jwksUrl: url(), scopes: [] }),
    ).rejects.toMatchObject({ reason })
  })

  test('when it does not trust the certificate', async () => {
    const stranger = await makeAuthority()
    const distrusting = new LocalEpic({
      tls: await authority.issue(),
      ca: stranger.ca,
      now: clock.now,
    })
    await expect(
      distrusting.register({
        clientId: 'x',
        environment: 'nonprod',
        jwksUrl: `${origin}/jwks.json`,
        scopes: [],
      }),
    ).rejects.toMatchObject({ reason: 'key_set_unreachable' })
    await distrusting.stop()
  })
})

describe('the key set is kept as Epic keeps it', () => {
  const fetches = () => epic.keySets.fetches.get(`${origin}/jwks.json`)

  test('one fetch serves every assertion that the kept keys verify', async () => {
    await attempt()
    await attempt()
    expect(fetches()).toBe(1)
  })

  test('an unknown kid causes one fetch per assertion', async () => {
    await attempt({ header: { kid: 'two' } })
    expect(fetches()).toBe(2)
  })

  test('a key that was added is found at once; one that was removed is trusted until the cache runs out', async () => {
    const before = site.get('jwks.json') ?? ''
    site.set('jwks.json', site.get('both.json') ?? '')
    expect((await attempt({ header: { kid: 'two' }, key: other.privateKey })).status).toBe(200)
    site.set('jwks.json', before)
    expect((await attempt({ header: { kid: 'two' }, key: other.privateKey })).status).toBe(200)
    clock.advance(86_401)
    expect((await attempt({ header: { kid: 'two' }, key: other.privateKey })).reason).toBe(
      'kid_not_in_set',
    )
  })
})

describe('the FHIR server', () => {
  const read = async (token: string, resource = 'Patient') => {
    const { statusCode, headers, body } = await request(`${epic.fhirBase}/${resource}/eq081`, {
      headers: { authorization: `Bearer ${token}` },
      dispatcher,
    })
    await body.dump()
    return { status: statusCode, challenge: String(headers['www-authenticate'] ?? '') }
  }

  test('reads a Patient with a token, until it expires', async () => {
    const token = String((await attempt()).body['access_token'])
    expect((await read(token)).status).toBe(200)
    clock.advance(3600)
    expect((await read(token)).status).toBe(401)
  })

  test('says 403 insufficient_scope to a token of another app', async () => {
    await register('coverage', 'jwks.json', { scopes: ['system/Coverage.read'] })
    const token = String((await attempt({ clientId: 'coverage' })).body['access_token'])
    const { status, challenge } = await read(token)
    expect(status).toBe(403)
    expect(challenge).toContain('insufficient_scope')
  })
})

test('a scripted fault is answered once', async () => {
  epic.faults.push((_, reply) => reply.code(503).send({}))
  expect((await attempt()).status).toBe(503)
  expect((await attempt()).status).toBe(200)
})
