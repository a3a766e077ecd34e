import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { slow, status } from './faults.ts'
import { CALLBACK, type PersonWorld, personWorld, redeeming } from './person-world.ts'
import type { Reason } from './refusal.ts'

const PATIENT = 'erXuFYUfucBZaryVksYEcMg3'

let world: PersonWorld
beforeAll(async () => {
  world = await personWorld()
})
afterAll(() => world.close())

const authorize = (more: Record<string, string | undefined> = {}) =>
  world.get(`${world.epic.authorizeUrl}?${world.ask(more)}`)
const reason = () => world.epic.lastReason()?.reason
/** What the app gets back, where there was nothing to sign or to choose. */
const sentBack = async (more: Record<string, string | undefined>) => {
  const { headers } = await authorize(more)
  return new URL(String(headers['location']))
}

describe('what may not go back to the app ends on a page that tells nothing', () => {
  test.each<[Reason, Record<string, string | undefined>]>([
    ['client_unknown', { client_id: 'nobody' }],
    ['client_is_backend', { client_id: 'backend' }],
    ['redirect_uri_not_registered', { redirect_uri: `${CALLBACK}/` }],
    ['response_type_wrong', { response_type: 'token' }],
    ['fhir_base_missing', { aud: undefined }],
  ])('%s', async (expected, more) => {
    const { status, headers, text } = await authorize(more)
    expect([status, headers['location'], reason()]).toEqual([400, undefined, expected])
    expect(text).toContain('Something went wrong trying to authorize the client')
    expect(text).not.toContain(expected)
    expect(world.epic.lastReason()?.clientId).toBe(world.ask(more).get('client_id'))
  })

  test('url_too_long, with 404', async () => {
    expect((await authorize({ state: 'x'.repeat(2000) })).status).toBe(404)
    expect(reason()).toBe('url_too_long')
  })

  test('post_without_launch', async () => {
    expect((await world.post(world.epic.authorizeUrl, world.ask())).status).toBe(400)
    expect(reason()).toBe('post_without_launch')
  })

  test('parameter_twice', async () => {
    await world.get(`${world.epic.authorizeUrl}?${world.ask()}&state=another`)
    expect(reason()).toBe('parameter_twice')
  })
})

describe('the rest goes back, with the state', () => {
  test.each<[Reason, string, Record<string, string | undefined>]>([
    ['challenge_plain', 'invalid_request', { code_challenge_method: 'plain' }],
    ['openid_not_asked', 'invalid_scope', { scope: 'user/Patient.read' }],
    ['launch_token_unknown', 'invalid_launch_token', { launch: 'x', scope: 'openid launch' }],
  ])('%s', async (expected, error, more) => {
    const back = await sentBack(more)
    expect(back.href.startsWith(`${CALLBACK}?`)).toBe(true)
    expect(Object.fromEntries(back.searchParams)).toEqual({ error, state: 'a-state' })
    expect(reason()).toBe(expected)
  })

  test('and so does a person’s no', async () => {
    const back = await world.goThrough(world.ask(), { decision: 'deny' })
    expect(Object.fromEntries(back.searchParams)).toEqual({
      ...{ error: 'access_denied', state: 'a-state' },
    })
  })
})

describe('a person', () => {
  test('signs in, and nobody else does', async () => {
    const { text } = await authorize()
    const transaction = /name="transaction" value="([^"]+)"/.exec(text)?.[1] ?? ''
    const form = { transaction, name: 'wilbur', password: 'guess' }
    expect((await world.post(`${world.epic.issuer}/sign-in`, form)).text).toContain('role="alert"')
    await world.post(`${world.epic.issuer}/sign-in`, form)
    expect(reason()).toBe('transaction_unknown')
  })

  test.each<[string, string, string | undefined]>([
    ['wilbur', 'openid', undefined],
    ['wilbur', 'openid launch/patient', PATIENT],
    ['camila', 'openid', PATIENT],
    ['camila', 'openid launch/patient', PATIENT],
  ])('%s who is asked for %s brings the patient %s', async (name, scope, patient) => {
    const back = await world.goThrough(world.ask({ scope }), { name })
    const code = String(back.searchParams.get('code'))
    const { body } = await world.exchange({
      ...{ grant_type: 'authorization_code', code, ...redeeming(world.verifier) },
    })
    expect(body['patient']).toBe(patient)
  })
})

describe('an EHR', () => {
  const launched = () => ({
    scope: 'openid launch',
    launch: world.epic.launchToken({ clientId: 'app', patient: PATIENT, encounter: 'e1' }),
  })

  test('that starts an app has signed its user in: a code comes at once, with the context', async () => {
    const back = await sentBack(launched())
    const code = String(back.searchParams.get('code'))
    const { body } = await world.exchange({
      ...{ grant_type: 'authorization_code', code, ...redeeming(world.verifier) },
    })
    expect(body).toMatchObject({
      ...{ patient: PATIENT, encounter: 'e1', need_patient_banner: 'false' },
    })
  })

  test('may have it posted', async () => {
    const { status, headers } = await world.post(world.epic.authorizeUrl, world.ask(launched()))
    expect(status).toBe(302)
    expect(new URL(String(headers['location'])).searchParams.has('code')).toBe(true)
  })

  test('starts it once with each token', async () => {
    const more = launched()
    await sentBack(more)
    expect((await sentBack(more)).searchParams.get('error')).toBe('invalid_launch_token')
    expect(reason()).toBe('launch_token_used')
  })

  test('sends the browser to the launch URL with its own FHIR base as iss', async () => {
    const { text } = await world.get(world.epic.chartUrl('app'))
    const link = /href="(\?[^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
    const { headers } = await world.get(new URL(`${link}`, world.epic.chartUrl('app')).href)
    const { origin, pathname, searchParams } = new URL(String(headers['location']))
    expect(`${origin}${pathname}`).toBe('https://app.example.com/launch')
    expect(searchParams.get('iss')).toBe(world.epic.fhirBase)
    expect((await sentBack({ ...launched(), launch: `${searchParams.get('launch')}` })).href)
      // A code, and no refusal.
      .toContain('code=')
  })
})

test('who answers is told where the hospital’s version tells it', async () => {
  world.epic.authorization.tellsIssuer = true
  const back = await world.goThrough(world.ask())
  world.epic.authorization.tellsIssuer = false
  expect(back.searchParams.get('iss')).toBe(world.epic.issuer)
  expect((await world.goThrough(world.ask())).searchParams.has('iss')).toBe(false)
})

test('a scripted fault is answered once', async () => {
  world.epic.authorization.faults.push(status(500), slow(0))
  expect((await authorize()).status).toBe(500)
  expect((await authorize()).status).toBe(200)
  expect(world.epic.authorization.faults).toEqual([])
})

test('discovery tells of it', async () => {
  const { body } = await world.get(`${world.epic.fhirBase}/.well-known/smart-configuration`)
  expect(body).toMatchObject({
    authorization_endpoint: world.epic.authorizeUrl,
    code_challenge_methods_supported: ['S256'],
    capabilities: expect.arrayContaining([
      ...['launch-ehr', 'launch-standalone', 'client-confidential-asymmetric', 'permission-v2'],
    ]),
  })
  const openid = await world.get(`${body['issuer']}/.well-known/openid-configuration`)
  expect(openid.body).toMatchObject({ issuer: body['issuer'], jwks_uri: body['jwks_uri'] })
})
