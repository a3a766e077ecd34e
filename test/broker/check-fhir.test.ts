import { expect, onTestFinished, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { BrokerError } from '../../broker/errors.ts'
import { basic, COVERAGE, makeWorld, PATIENT, type World } from '../support/world.ts'

const CAMILA = 'Patient/erXuFYUfucBZaryVksYEcMg3'

/** A broker whose operator may do that at FHIR servers. */
async function world(
  fhirCheck: 'read' | 'write' | undefined,
  more: Parameters<typeof makeWorld>[0] = {},
): Promise<World> {
  const made = await makeWorld({
    ...more,
    prepare: async file => {
      if (fhirCheck) file.admin = { fhirCheck }
    },
  })
  onTestFinished(() => made.close())
  return made
}

async function check({ admin }: World, order: object = {}) {
  const reply = await admin.inject({
    ...{ method: 'POST', url: '/fhir', headers: { host: 'localhost' } },
    payload: { upstream: 'epic', method: 'GET', path: CAMILA, ...order },
  })
  return { status: reply.statusCode, body: reply.json() }
}

const PUT = { method: 'PUT', resource: { resourceType: 'Patient' } }

test('the operator gets the resource, and the token stays here', async () => {
  const here = await world('read')
  const { status, body } = await check(here)
  expect([status, body]).toEqual([
    200,
    {
      ...{ upstream: 'epic', url: `${here.epic.fhirBase}/${CAMILA}`, status: 200 },
      resource: expect.objectContaining({ resourceType: 'Patient' }),
      ...{ challenge: null, renewed: false },
    },
  ])
  const [record] = await here.audit()
  expect(record).toMatchObject({
    ...{ action: 'fhir_read', decision: 'granted', service: null, method: null },
    ...{ upstream: 'epic', asked: { resource: `${here.epic.fhirBase}/${CAMILA}` } },
    granted: { scope: PATIENT, source: 'upstream' },
  })
})

test('the token is the one that services get too', async () => {
  const here = await world('read')
  await here.ask()
  await check(here)
  expect(here.epic.tokenRequests).toBe(1)
})

test('a record tells what was searched by, and not for what', async () => {
  const here = await world('read')
  await check(here, { path: 'Patient?family=Lopez&birthdate=1987-09-12' })
  const [record] = await here.audit()
  expect(record?.asked?.resource).toBe(`${here.epic.fhirBase}/Patient?family&birthdate`)
  expect(here.logged()).not.toContain('Lopez')
})

test.each<[string, 'read' | 'write' | undefined, object, string, number]>([
  ['reading, unless the config allows it', undefined, {}, 'fhir_check_off', 403],
  ['writing, unless the config allows that', 'read', PUT, 'fhir_check_off', 403],
  ['an upstream that is not there', 'read', { upstream: 'x' }, 'fhir_upstream_unknown', 404],
  ['what is not below the base', 'read', { path: '../oauth2/token' }, 'fhir_path_unusable', 400],
  ['reading with a resource', 'write', { ...PUT, method: 'GET' }, 'body_unreadable', 400],
  ['writing nothing', 'write', { method: 'PUT' }, 'body_unreadable', 400],
  ['deleting', 'write', { method: 'DELETE' }, 'body_unreadable', 400],
])('refused, without a call to the EHR: %s', async (_, fhirCheck, order, code, status) => {
  const here = await world(fhirCheck)
  const reply = await check(here, order)
  expect([reply.status, reply.body.code]).toEqual([status, code])
  expect(here.epic.tokenRequests).toBe(0)
  const records = (await here.audit()).map(each => [each.decision, each.code])
  // What is no order at all is no decision either.
  expect(records).toEqual(code === 'body_unreadable' ? [] : [['refused', code]])
})

test('without a record nothing is read', async () => {
  const failing = {
    record: () => Promise.reject(new BrokerError('audit_failed')),
    close: async () => {},
  }
  const here = await world('read', { audit: failing })
  expect((await check(here)).body.code).toBe('audit_failed')
  expect(here.epic.reads).toBe(0)
})

test('a token that the FHIR server refuses is replaced, so that the next look works', async () => {
  const here = await world('read')
  await check(here)
  here.epic.forgetTokens()
  const refused = (await check(here)).body
  expect(refused).toMatchObject({
    ...{ status: 401, renewed: true, challenge: { error: 'invalid_token' } },
  })
  expect((await check(here)).body.status).toBe(200)
})

test('a scope that the app lacks is told as the FHIR server tells it', async () => {
  const here = await world('read', {
    upstreams: base => ({
      epic: { ...base, clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
    }),
    services: {
      scheduling: {
        secretSha256: [secretHash('a-secret-of-the-scheduling-service')],
        grants: [{ upstream: 'epic', scopes: [PATIENT, COVERAGE] }],
      },
    },
  })
  expect((await check(here, { path: 'Encounter/eoK0fM2Gm4w' })).body).toMatchObject({
    ...{ status: 403, challenge: { error: 'insufficient_scope' } },
  })
})

test('services have no such way', async () => {
  const { app } = await world('write')
  const reply = await app.inject({
    ...{ method: 'POST', url: '/fhir', payload: { upstream: 'epic', path: CAMILA, method: 'GET' } },
    headers: { authorization: basic('scheduling', 'a-secret-of-the-scheduling-service') },
  })
  expect(reply.statusCode).toBe(404)
})
