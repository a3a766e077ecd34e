import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PersonWorld, personWorld } from './person-world.ts'

const CAMILA = 'Patient/erXuFYUfucBZaryVksYEcMg3'
const DERRICK = 'Patient/eq081'

let world: PersonWorld
beforeAll(async () => {
  world = await personWorld()
})
afterAll(() => world.close())

const asked = { scope: 'openid launch/patient' }

test.each<[string, string, number]>([
  ['user/Patient.read', CAMILA, 200],
  ['user/Patient.read', DERRICK, 200],
  ['patient/Patient.rs', CAMILA, 200],
  ['patient/Patient.Read', DERRICK, 403],
  ['patient/*.read', CAMILA, 200],
  ['user/Practitioner.read', CAMILA, 403],
  ['user/Patient.c', CAMILA, 403],
  ['user/Patient.read', 'Patient/nobody', 403],
])('%s reads %s with %i', async (scope, path, status) => {
  await world.register({ scopes: [scope] })
  const { body } = await world.connect(asked)
  const headers = { authorization: `Bearer ${body['access_token']}` }
  expect((await world.get(`${world.epic.fhirBase}/${path}`, headers)).status).toBe(status)
})

test.each<[string, string, number]>([
  ['user/Patient.cu', 'application/fhir+json', 200],
  ['user/Patient.write', 'application/json', 415],
  ['user/Patient.read', 'application/fhir+json', 403],
])('%s writes %s with %i', async (scope, type, status) => {
  await world.register({ scopes: [scope] })
  const { body } = await world.connect(asked)
  const dispatcher = new Agent({ connect: { ca: world.ca } })
  const reply = await request(`${world.epic.fhirBase}/${DERRICK}`, {
    ...{ method: 'PUT', dispatcher, body: '{"resourceType":"Patient"}' },
    headers: { authorization: `Bearer ${body['access_token']}`, 'content-type': type },
  })
  await reply.body.dump()
  await dispatcher.close()
  expect(reply.statusCode).toBe(status)
})

test('says in FHIR’s own form what is not there, and in a header what the token lacks', async () => {
  const { body } = await world.exchange({ grant_type: 'client_credentials' }, 'backend')
  const headers = { authorization: `Bearer ${body['access_token']}` }
  const missing = await world.get(`${world.epic.fhirBase}/Patient/nobody`, headers)
  expect([missing.status, missing.body['resourceType']]).toEqual([404, 'OperationOutcome'])
  const other = await world.get(`${world.epic.fhirBase}/Encounter/eoK0fM2Gm4w`, headers)
  expect([other.status, String(other.headers['www-authenticate'])]).toEqual([
    ...[403, expect.stringContaining('insufficient_scope')],
  ])
  const none = await world.get(`${world.epic.fhirBase}/${CAMILA}`)
  expect([none.status, String(none.headers['www-authenticate'])]).toEqual([
    ...[401, expect.stringContaining('invalid_token')],
  ])
})
