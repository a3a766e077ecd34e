import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { droppedAfter } from './faults.ts'
import { type PersonWorld, personWorld, redeeming } from './person-world.ts'
import { REASONS, type Reason } from './refusal.ts'

let world: PersonWorld
beforeAll(async () => {
  world = await personWorld()
})
afterAll(() => world.close())

test('a code becomes tokens, with the context of the person and all that the app has', async () => {
  const { status, body } = await world.connect({ scope: 'openid fhirUser launch/patient' })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    ...{ token_type: 'Bearer', expires_in: 3600, state: 'a-state' },
    scope: 'openid fhirUser launch/patient user/Patient.read',
    patient: 'erXuFYUfucBZaryVksYEcMg3',
    need_patient_banner: 'true',
  })
  expect(Object.keys(body)).toContain('__epic.dstu2.patient')
  expect(body).not.toHaveProperty('refresh_token')
  expect(body).not.toHaveProperty('encounter')
})

test('the id_token is signed with a key that is found by discovery alone', async () => {
  const { body } = await world.connect()
  const about = (await world.get(`${world.epic.fhirBase}/.well-known/smart-configuration`)).body
  const dispatcher = new Agent({ connect: { ca: world.ca } })
  const keys = createRemoteJWKSet(new URL(String(about['jwks_uri'])), {
    [customFetch]: (url: string) => fetch(url, { dispatcher }) as unknown as Promise<Response>,
  })
  const token = String(body['id_token'])
  const { payload } = await jwtVerify(token, keys, {
    ...{ issuer: `${about['issuer']}`, audience: 'app', algorithms: ['RS256'] },
    currentDate: new Date(world.clock.now()),
  })
  await dispatcher.close()
  expect(payload).toMatchObject({
    nonce: 'a-nonce',
    fhirUser: `${world.epic.fhirBase}/Practitioner/eM5CWtq15N0WJeuCet5bJlQ3`,
  })
  expect(Number(payload.exp) - Number(payload.iat)).toBe(300)
  expect(decodeProtectedHeader(token).kid).toMatch(/\+.*\/|\/.*\+/)
  expect(payload.iss).not.toBe(world.epic.fhirBase)
})

test('a new key signs from the moment it is made, and the old one stays published', async () => {
  const kid = async () => decodeProtectedHeader(`${(await world.connect()).body['id_token']}`).kid
  const before = await kid()
  await world.epic.idTokens.rotate()
  const after = await kid()
  const kids = (await world.epic.idTokens.keySet()).keys.map(key => key.kid)
  expect([kids.length, kids]).toEqual([2, [after, before]])
})

test('the banner is a string as in Epic’s sample, or a boolean as SMART has it', async () => {
  world.epic.answers.bannerIsBoolean = true
  expect((await world.connect()).body['need_patient_banner']).toBe(true)
  world.epic.answers.bannerIsBoolean = false
  expect((await world.connect()).body['need_patient_banner']).toBe('true')
})

describe('a refresh', () => {
  const refresh = (token: unknown) =>
    world.exchange({ grant_type: 'refresh_token', refresh_token: String(token) })

  test('repeats neither the context nor the id_token', async () => {
    const { body } = await world.connect({ scope: 'openid launch/patient offline_access' })
    const { status, body: next } = await refresh(body['refresh_token'])
    expect([status, Object.keys(next)]).toEqual([
      200,
      ['access_token', 'token_type', 'expires_in', 'scope'],
    ])
  })

  test('rolls where the hospital has it so, and is done though the answer is lost', async () => {
    world.epic.grants.refreshMode = 'rolling'
    const token = (await world.connect()).body['refresh_token']
    world.epic.faults.push(droppedAfter)
    await expect(refresh(token)).rejects.toThrow()
    expect((await refresh(token)).body).toEqual({ error: 'invalid_grant', error_description: null })
    expect(world.epic.lastReason()?.reason).toBe('refresh_token_used')
    world.epic.grants.refreshMode = 'plain'
  })
})

test('a code that comes twice makes the tokens void that it gave', async () => {
  const code = String((await world.goThrough(world.ask())).searchParams.get('code'))
  const form = { grant_type: 'authorization_code', code, ...redeeming(world.verifier) }
  const { body } = await world.exchange(form)
  const read = () =>
    world.get(`${world.epic.fhirBase}/Patient/eq081`, {
      authorization: `Bearer ${body['access_token']}`,
    })
  expect((await read()).status).toBe(200)
  expect((await world.exchange(form)).body['error']).toBe('invalid_grant')
  expect((await read()).status).toBe(401)
})

describe('is refused, with the true reason in the log alone', () => {
  test.each<[Reason, Record<string, string>, string?]>([
    ['grant_type_not_of_app', { grant_type: 'client_credentials' }],
    ['grant_type_not_of_app', { grant_type: 'refresh_token', refresh_token: 'x' }, 'backend'],
    ['secret_sent', { grant_type: 'authorization_code', client_secret: 'x' }],
    ['client_id_differs', { grant_type: 'authorization_code', client_id: 'other' }],
    ['code_unknown', { grant_type: 'authorization_code' }],
    ['refresh_token_unknown', { grant_type: 'refresh_token' }],
  ])('%s', async (reason, form, clientId) => {
    const { status, body } = await world.exchange(form, clientId)
    expect([status, body]).toEqual([400, { error: REASONS[reason], error_description: null }])
    expect(world.epic.lastReason()).toMatchObject({ reason })
  })
})
