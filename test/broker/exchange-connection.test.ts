import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { changeConfig } from '../support/change-config.ts'
import { once } from '../support/keys.ts'
import {
  FOR_SERVICE,
  type Jar,
  type LaunchWorld,
  makeLaunchWorld,
} from '../support/launch-world.ts'
import { PATIENT_ID } from '../support/user-ehr.ts'
import { basic, makeWorld, PATIENT, SECRET } from '../support/world.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const CONNECTION = 'urn:lockstep:params:oauth:token-type:connection'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'
const OTHER = 'a-secret-of-the-billing-service-'
const BILLING = basic('billing', OTHER)

/** Seconds. The EHR lives in real time, and takes no assertion from the far future. */
const LIFE = 40
/** After which a token is renewed: it has less than its floor. */
const LATE = 11

let world: LaunchWorld
let now: number
beforeAll(async () => {
  const grants = [{ upstream: 'epic', scopes: [PATIENT] }]
  world = await makeLaunchWorld({
    ...{ launch: { ...FOR_SERVICE, offline: true }, life: LIFE },
    services: {
      scheduling: { secretSha256: [secretHash(SECRET)], grants },
      billing: { secretSha256: [secretHash(OTHER)], grants },
    },
  })
  now = world.clock.now()
})
afterAll(() => world.close())
afterEach(() => {
  world.ehr.tamper = null
  world.clock.advance((now - world.clock.now()) / 1000)
})

const post = (
  path: string,
  form: Record<string, string>,
  authorization = basic('scheduling', SECRET),
) =>
  world.app.inject({
    method: 'POST',
    url: path,
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization },
    payload: new URLSearchParams(form).toString(),
  })

/** The code that a login brings to the service. */
async function codeOf(path = '/oauth/epic-authorize', jar: Jar = new Map()) {
  const reply = await world.login(jar, path)
  return new URL(String(reply.headers.location)).searchParams
}

async function connected(jar: Jar = new Map()): Promise<string> {
  const code = (await codeOf(undefined, jar)).get('code') ?? ''
  return (await post('/oauth2/connection', { code })).json().connection
}

const shared = once(() => connected())

const exchange = (handle: string, more: Record<string, string> = {}, authorization?: string) =>
  post(
    '/oauth2/token',
    { grant_type: EXCHANGE, subject_token: handle, subject_token_type: CONNECTION, ...more },
    authorization,
  )

const last = async () => (await world.audit()).at(-1)

describe('a login', () => {
  test('brings the service a code at its own URL, with the state that it gave, and no more', async () => {
    const reply = await world.login(new Map(), '/oauth/epic-authorize?state=of-the-service')
    const url = new URL(String(reply.headers.location))
    const { code, ...others } = Object.fromEntries(url.searchParams)
    expect(`${url.origin}${url.pathname}`).toBe('https://scheduling.example.com/ehr/connected')
    expect(others).toEqual({ from: 'ehr', state: 'of-the-service' })
    expect(code).toMatch(/^[\w-]{22}\.[\w-]{43}$/)
  })

  test('is taken over by its code, once, with what the EHR said beside the token', async () => {
    const code = (await codeOf()).get('code') ?? ''
    const reply = await post('/oauth2/connection', { code })
    expect(reply.json()).toEqual({
      ...{ connection: expect.any(String), connection_type: CONNECTION, upstream: 'epic' },
      ...{ resource: world.ehr.fhirBase, fhir_user: 'Practitioner/eFUser' },
      scope: expect.stringContaining('patient/Patient.read'),
      context: { patient: PATIENT_ID, need_patient_banner: false },
    })
    expect(reply.headers['cache-control']).toBe('no-store')
    expect(await last()).toMatchObject({
      ...{ action: 'connection', decision: 'granted', service: 'scheduling', upstream: 'epic' },
    })
    const again = await post('/oauth2/connection', { code })
    expect([again.statusCode, again.json().error, again.json().code]).toEqual([
      ...[400, 'invalid_grant', 'connection_code_refused'],
    ])
  })

  test('of one service is nothing to another, which is told no more than of a code that never was', async () => {
    const code = (await codeOf()).get('code') ?? ''
    const [theirs, nobodys] = [
      await post('/oauth2/connection', { code }, BILLING),
      await post('/oauth2/connection', { code: `${'a'.repeat(22)}.${'b'.repeat(43)}` }, BILLING),
    ]
    expect([theirs.statusCode, theirs.body]).toEqual([nobodys.statusCode, nobodys.body])
    const codes = (await world.audit()).slice(-2).map(each => each.code)
    expect(codes).toEqual(['connection_code_of_another', 'connection_code_unknown'])
  })

  test.each([
    ['without a code', {}, basic('scheduling', SECRET), 'connection_code_missing'],
    ['by nobody', { code: 'x' }, basic('scheduling', 'wrong'), 'client_refused'],
  ])('cannot be taken over %s', async (_, form, authorization, code) => {
    expect((await post('/oauth2/connection', form, authorization)).json().code).toBe(code)
  })
})

describe('an exchange', () => {
  test('gives the user’s token, and says what it is', async () => {
    const handle = await connected()
    const reply = await exchange(handle)
    expect([reply.statusCode, reply.json()]).toEqual([
      200,
      {
        ...{ access_token: expect.any(String), issued_token_type: ACCESS, token_type: 'Bearer' },
        ...{ expires_in: expect.any(Number), scope: expect.stringContaining('openid') },
        ...{ context: { patient: PATIENT_ID, need_patient_banner: false } },
        fhir_user: 'Practitioner/eFUser',
      },
    ])
    expect(reply.json().expires_in).toBeLessThanOrEqual(LIFE)
    const record = await last()
    expect(record).toMatchObject({
      ...{ action: 'exchange', decision: 'granted', service: 'scheduling', upstream: 'epic' },
      granted: { source: 'upstream', kid: world.kid },
    })
    expect(record?.connection).toBe(handle.split('.')[0])
  })

  test('goes on with a new token and the context of the login when the first one is over', async () => {
    const handle = await connected()
    const first = (await exchange(handle)).json().access_token
    expect((await exchange(handle)).json().access_token).toBe(first)
    world.clock.advance(LATE)
    const { access_token, context } = (await exchange(handle)).json()
    expect(access_token).not.toBe(first)
    expect(context.patient).toBe(PATIENT_ID)
  })

  test('with a connection that the EHR has ended says that the user must log in again, and the user is told too', async () => {
    const jar: Jar = new Map()
    const handle = await connected(jar)
    world.clock.advance(LATE)
    // The new refresh token is lost on its way, and the old one shown again: the EHR ends it all.
    world.ehr.tamper = ({ refresh_token: _, ...body }) => body
    expect((await exchange(handle)).statusCode).toBe(200)
    world.clock.advance(LATE)
    const reply = await exchange(handle)
    expect([reply.statusCode, reply.json().code]).toEqual([400, 'connection_needs_login'])
    const status = (await world.browse('/oauth/epic-status', jar)).json()
    expect(status).toMatchObject({ connected: false, standing: 'over' })
  })

  test('ends with the connection', async () => {
    const jar: Jar = new Map()
    const handle = await connected(jar)
    const headers = { 'sec-fetch-site': 'same-origin' }
    await world.browse('/oauth/epic-disconnect', jar, { method: 'POST', headers })
    expect((await exchange(handle)).json().code).toBe('connection_refused')
    expect(await last()).toMatchObject({ code: 'connection_unknown' })
  })

  test.each<[string, Record<string, string>, string, string]>([
    ['an upstream by its id', { audience: 'epic' }, '', ''],
    ['an upstream by its URL', { resource: 'FHIR' }, '', ''],
    ['less than was granted', { scope: 'patient/Patient.read' }, '', ''],
    ['the type that it gets', { requested_token_type: ACCESS }, '', ''],
    ['another upstream', { audience: 'nowhere' }, 'invalid_target', 'target_refused'],
    ['another URL', { resource: 'https://other.example.com' }, 'invalid_target', 'target_refused'],
    [
      'more than was granted',
      { scope: 'user/Patient.write' },
      'invalid_scope',
      'scope_not_granted',
    ],
    ['scopes that are none', { scope: '"' }, 'invalid_scope', 'scope_malformed'],
    [
      'another type',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      'invalid_request',
      'requested_token_type_unsupported',
    ],
    ['no subject', { subject_token: '' }, 'invalid_request', 'subject_token_missing'],
    [
      'a subject of another type',
      { subject_token_type: ACCESS },
      'invalid_request',
      'subject_token_type_unsupported',
    ],
    [
      'a longer life than there is',
      { minimum_ttl: '86400' },
      'invalid_request',
      'minimum_ttl_too_long',
    ],
  ])('that names %s', async (_, more, error, code) => {
    const handle = await shared()
    const form =
      'resource' in more && more['resource'] === 'FHIR'
        ? { resource: `${world.ehr.fhirBase}/` }
        : more
    const reply = await exchange(handle, form)
    if (error === '') expect(reply.statusCode).toBe(200)
    else expect([reply.json().error, reply.json().code]).toEqual([error, code])
  })

  test('by another service is answered as for a connection that there never was', async () => {
    const handle = await shared()
    const [theirs, nobodys] = [
      await exchange(handle, {}, BILLING),
      await exchange(`${'a'.repeat(22)}.${'b'.repeat(43)}`, {}, BILLING),
    ]
    expect([theirs.statusCode, theirs.body]).toEqual([nobodys.statusCode, nobodys.body])
    const codes = (await world.audit()).slice(-2).map(each => each.code)
    expect(codes).toEqual(['connection_of_another', 'connection_unknown'])
  })
})

test('a broker without users refuses the grant type, and does not say that it has it', async () => {
  const plain = await makeWorld()
  const form = { grant_type: EXCHANGE, subject_token: 'x', subject_token_type: CONNECTION }
  expect((await plain.ask(form)).json().code).toBe('grant_type_unsupported')
  const metadata = await plain.app.inject('/.well-known/oauth-authorization-server')
  expect(metadata.json().grant_types_supported).toEqual(['client_credentials'])
  await plain.close()
  const own = await world.app.inject('/.well-known/oauth-authorization-server')
  expect(own.json().grant_types_supported).toEqual(['client_credentials', EXCHANGE])
})

test('a config that gives the connections of an EHR to another service takes them from the one before', async () => {
  const moved = await makeLaunchWorld({ launch: FOR_SERVICE })
  const reply = await moved.login(new Map())
  const code = new URL(String(reply.headers.location)).searchParams.get('code') ?? ''
  const send = (path: string, form: Record<string, string>) =>
    moved.app.inject({
      method: 'POST',
      url: path,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic('scheduling', SECRET),
      },
      payload: new URLSearchParams(form).toString(),
    })
  const handle = (await send('/oauth2/connection', { code })).json().connection
  const form = { grant_type: EXCHANGE, subject_token: handle, subject_token_type: CONNECTION }
  expect((await send('/oauth2/token', form)).statusCode).toBe(200)
  await changeConfig(moved, ({ upstreams: { epic }, services }) => {
    services['billing'] = {
      ...services['scheduling'],
      secretSha256: [secretHash(OTHER)],
      grants: [],
    }
    if (epic?.launch) epic.launch.service = 'billing'
  })
  expect((await send('/oauth2/token', form)).json().code).toBe('connection_refused')
  expect((await moved.audit()).at(-1)?.code).toBe('connection_not_granted')
  await moved.close()
})
