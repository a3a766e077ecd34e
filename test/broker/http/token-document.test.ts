import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenApi, validatorAt } from '../../support/documented.ts'
import { basic, makeWorld, PATIENT, SECRET, type World } from '../../support/world.ts'

let world: World
let document: OpenApi
beforeAll(async () => {
  world = await makeWorld()
  document = (await world.app.inject('/openapi.json')).json()
})
afterAll(() => world.close())

const fits = (form: object): boolean =>
  validatorAt(
    ...([document, 'paths', '/oauth2/token', 'post', 'requestBody'] as const),
    ...['content', 'application/x-www-form-urlencoded', 'schema'],
  )(form)

const GRANT = { grant_type: 'client_credentials' }
const POST = { client_id: 'scheduling', client_secret: SECRET }

test.each<[string, Record<string, string>, string | null]>([
  ['nothing but the grant type', GRANT, basic('scheduling', SECRET)],
  ['a secret in the form', { ...GRANT, ...POST }, null],
  ['an audience', { ...GRANT, audience: 'epic' }, basic('scheduling', SECRET)],
  ['a scope', { ...GRANT, scope: PATIENT }, basic('scheduling', SECRET)],
])('a request with %s fits the document, and is answered', async (_, form, authorization) => {
  expect(fits(form)).toBe(true)
  expect((await world.ask(form, authorization)).statusCode).toBe(200)
})

test.each<[string, Record<string, string>]>([
  ['no grant type', { audience: 'epic' }],
  ['another grant type', { grant_type: 'password' }],
])('a request with %s does not fit it, and is refused in our own words', async (_, form) => {
  expect(fits(form)).toBe(false)
  const { statusCode, body } = await world.ask(new URLSearchParams(form).toString())
  expect(statusCode).toBe(400)
  expect(body).toContain('grant_type_')
  expect((await world.audit()).at(-1)).toMatchObject({ decision: 'refused' })
})

test('what the document does not know is ignored, and never judged', async () => {
  const { statusCode } = await world.ask({ nonsense: 'x'.repeat(1000), minimum_ttl: '60' })
  expect(statusCode).toBe(200)
})
