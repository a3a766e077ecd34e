import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PersonWorld, personWorld } from './person-world.ts'

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
