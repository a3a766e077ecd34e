import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Jar, type LaunchWorld, makeLaunchWorld } from '../../support/launch-world.ts'
import { PATIENT_ID } from '../../support/user-ehr.ts'

let world: LaunchWorld
beforeAll(async () => {
  world = await makeLaunchWorld()
})
afterAll(() => world.close())

test('a user logs in at an authorization server that we did not write, and sees the connection', async () => {
  const jar: Jar = new Map()
  const reply = await world.login(jar)
  expect([reply.statusCode, reply.headers.location, reply.body]).toEqual([
    303,
    '/oauth/epic-status',
    '',
  ])
  const status = await world.browse('/oauth/epic-status', jar)
  expect(status.json()).toMatchObject({
    connected: true,
    patient: PATIENT_ID,
    fhirUser: 'Practitioner/eFUser',
    scopes: expect.arrayContaining(['openid', 'patient/Patient.read']),
  })
})
