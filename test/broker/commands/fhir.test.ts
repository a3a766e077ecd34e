import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkReport, whyNot } from '../../../broker/commands/fhir-report.ts'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import { CAUSES } from '../../../broker/diagnosis/causes.ts'
import { BROKER_CLI, run } from '../../support/processes.ts'
import { makeWorld, type World } from '../../support/world.ts'

const CAMILA = 'Patient/erXuFYUfucBZaryVksYEcMg3'

const SCOPES = ['system/Patient.read', 'system/Patient.write']
type Upstream = ConfigFile['upstreams'][string]

let world: World
beforeAll(async () => {
  world = await makeWorld({
    prepare: async file => {
      file.admin = { fhirCheck: 'write' }
      file.upstreams = {
        epic: { ...file.upstreams['epic'], clientId: 'app-writes', scopes: SCOPES } as Upstream,
      }
      file.services = {}
    },
  })
  await world.epic.register({
    ...{ clientId: 'app-writes', environment: 'nonprod', jwksUrl: world.jwksUrl, scopes: SCOPES },
  })
  await world.admin.listen({ path: join(world.folder, 'admin.sock') })
})
afterAll(async () => {
  await world.admin.close()
  await world.close()
})

const fhir = (...args: string[]) => run(BROKER_CLI, ['fhir', ...args], { cwd: world.folder })

test('a resource is printed as JSON', async () => {
  const { code, stdout, stderr } = await fhir('epic', CAMILA)
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ resourceType: 'Patient', id: CAMILA.split('/')[1] })
})

test('with --json there is what was asked and how it was answered', async () => {
  const { code, stdout } = await fhir('epic', 'Encounter/eoK0fM2Gm4w', '--json')
  expect([code, JSON.parse(stdout)]).toEqual([
    1,
    expect.objectContaining({
      ...{ upstream: 'epic', status: 403, resource: null },
      url: `${world.epic.fhirBase}/Encounter/eoK0fM2Gm4w`,
      why: expect.objectContaining({ fix: CAUSES.scope_not_selected.fix }),
    }),
  ])
})

test('a refusal says why and what to do, with the FHIR server’s own words', async () => {
  const { code, stdout } = await fhir('epic', 'Patient/nobody')
  expect(code).toBe(1)
  expect(stdout).toContain('404')
  expect(stdout).toContain('not-found')
})

test('a resource is written from a file: added to a type, or put in the place of one', async () => {
  const file = join(world.folder, 'patient.json')
  writeFileSync(file, JSON.stringify({ resourceType: 'Patient', active: true }))
  const added = await fhir('epic', 'Patient', '--write', file)
  expect([added.code, JSON.parse(added.stdout)]).toMatchObject([0, { active: true }])
  const path = `Patient/${JSON.parse(added.stdout).id}`
  writeFileSync(file, JSON.stringify({ resourceType: 'Patient', active: false }))
  expect((await fhir('epic', path, '--write', file)).code).toBe(0)
  expect(JSON.parse((await fhir('epic', path)).stdout)).toMatchObject({ active: false })
  const actions = (await world.audit()).slice(-3).map(({ action }) => action)
  expect(actions).toEqual(['fhir_write', 'fhir_write', 'fhir_read'])
})

test.each<[string, string[], number, string]>([
  ['an upstream that is not there', ['nowhere', CAMILA], 2, 'no such upstream'],
  ['no path', ['epic'], 2, 'missing required argument'],
  ['a path out of the base', ['epic', '../oauth2/token'], 1, 'fhir_path_unusable'],
  ['a file that is none', ['epic', CAMILA, '--write', 'broker.yaml'], 1, 'file_unreadable'],
])('%s is refused', async (_, args, code, words) => {
  const finished = await fhir(...args)
  expect(finished.code).toBe(code)
  expect(finished.stderr).toContain(words)
})

describe('why a FHIR server says no', () => {
  const answer = (status: number, more = {}) => ({
    ...{ status, resource: null, challenge: null, renewed: false, upstream: 'epic' },
    ...{ url: 'https://ehr.example.com/FHIR/R4/Patient/1', ...more },
  })
  const challenge = (error: string | null, scope: string | null = null) => ({
    challenge: { error, scope, description: null },
  })
  const OUTCOME = {
    resource: {
      resourceType: 'OperationOutcome',
      issue: [
        { severity: 'error', code: 'forbidden', details: { text: 'not yours' }, diagnostics: 'x' },
        7,
        null,
      ],
    },
  }

  test.each<[string, object, number, keyof typeof CAUSES]>([
    ['insufficient_scope', challenge('insufficient_scope'), 403, 'scope_not_selected'],
    ['with a scope alone', challenge(null, 'system/Claim.read'), 403, 'scope_not_selected'],
    ['with an outcome', OUTCOME, 403, 'user_may_not'],
    ['without a word', {}, 404, 'fhir_base_wrong'],
  ])('%s, %j, %i: %s', (_, more, status, cause) => {
    expect(whyNot(answer(status, more))?.fix).toBe(CAUSES[cause].fix)
  })

  test('a new token or none: that is what decides when to ask again', () => {
    const [now, later] = [true, false].map(renewed =>
      whyNot(answer(401, { ...challenge('invalid_token'), renewed })),
    )
    expect(now?.fix).not.toBe(later?.fix)
  })

  test('every status has words, and its own words are told', () => {
    for (let status = 400; status < 600; status++)
      expect(whyNot(answer(status))?.fix.length).toBeGreaterThan(0)
    expect(whyNot(answer(403, OUTCOME))?.said).toEqual(['error: forbidden: not yours: x'])
  })

  test('nothing that a server says plays with the terminal', () => {
    const words = 'a\u001b[2Jb\u202ec\u0007'
    const outcome = {
      resourceType: 'OperationOutcome',
      issue: [{ diagnostics: words }],
      text: words,
    }
    for (const status of [200, 403])
      expect(checkReport(answer(status, { resource: outcome }) as never)).toMatch(
        /^[\n\x20-\x7e✗’…]*$/,
      )
  })
})
