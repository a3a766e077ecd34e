import { describe, expect, test } from 'vitest'
import { type PassedOverCode, readBundle } from '../../../broker/catalogue/bundle.ts'
import { bundleOf, madeUp } from '../../support/hospitals.ts'

const BASE = 'https://fhir.nowhere.example.com/api/FHIR/R4'
const endpoint = (parts: object = {}) => ({
  resourceType: 'Endpoint',
  id: 'e1',
  status: 'active',
  connectionType: { code: 'hl7-fhir-rest' },
  address: BASE,
  ...parts,
})
const organization = (parts: object = {}) => ({
  resourceType: 'Organization',
  id: 'o1',
  name: 'Saint Nowhere',
  ...parts,
})
const bundle = (resources: readonly unknown[], parts: object = {}): string =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'collection',
    entry: resources.map(resource => ({ resource })),
    ...parts,
  })
const read = (text: string, accepted: string[] = []) => readBundle(text, accepted)
const names = (...resources: unknown[]) =>
  read(bundle(resources)).hospitals.map(each => each.names[0])

test('a list in the form of Epic’s is read, in one order whatever its own', () => {
  const hospitals = madeUp(30)
  const one = read(JSON.stringify(bundleOf(hospitals, 'https://ehr.example.com')))
  const other = read(JSON.stringify(bundleOf(hospitals.toReversed(), 'https://ehr.example.com')))
  expect(one.hospitals).toHaveLength(30)
  expect(one.passedOver).toEqual([])
  expect(one.hospitals.map(each => each.names[0]).sort()).toEqual(
    hospitals.map(each => each.name).sort(),
  )
  expect(one.hospitals[0]?.fhirBase).not.toMatch(/\/$/)
  expect(other.hospitals.map(each => each.fhirBase)).toEqual(
    one.hospitals.map(each => each.fhirBase),
  )
})

describe('the organisation is found', () => {
  const by = (reference: string, more: object = {}) =>
    endpoint({ managingOrganization: { reference, ...more } })
  test.each<[string, unknown[]]>([
    [
      'in the Endpoint',
      [
        endpoint({
          managingOrganization: { reference: '#o' },
          contained: [organization({ id: 'o' })],
        }),
      ],
    ],
    ['by type and id', [by('Organization/o1'), organization()]],
    ['before the Endpoint', [organization(), by('Organization/o1')]],
    ['by an absolute reference', [by('https://list.example.com/Organization/o1'), organization()]],
    ['of one version', [by('Organization/o1/_history/3'), organization()]],
    ['by what the reference shows', [by('Organization/elsewhere', { display: 'Saint Nowhere' })]],
    [
      'by its own reference to the Endpoint',
      [endpoint(), organization({ endpoint: [{ reference: 'Endpoint/e1' }] })],
    ],
  ])('%s', (_, resources) => {
    expect(names(...resources)).toEqual(['Saint Nowhere'])
  })

  test('by a fullUrl of any form', () => {
    const entry = [
      { fullUrl: 'urn:uuid:1', resource: by('urn:uuid:2') },
      { fullUrl: 'urn:uuid:2', resource: organization() },
    ]
    expect(read(bundle([], { entry })).hospitals[0]?.names[0]).toBe('Saint Nowhere')
  })

  test('or else the Endpoint’s own name, or its host, stands for it', () => {
    expect(names(endpoint({ name: 'Nowhere R4' }))).toEqual(['Nowhere R4'])
    expect(names(endpoint())).toEqual(['fhir.nowhere.example.com'])
  })

  test('and where it has several, each is called by its own name', () => {
    const managingOrganization = { reference: 'Organization/o1' }
    const found = names(
      organization(),
      endpoint({ managingOrganization, name: 'Nowhere Eye Clinic' }),
      endpoint({ managingOrganization, name: 'Nowhere Dentists', address: `${BASE}/2` }),
    )
    expect(found).toEqual(['Nowhere Dentists', 'Nowhere Eye Clinic'])
  })
})

describe('references that lead in circles, nowhere or to the wrong thing do no harm', () => {
  test.each<[string, unknown[]]>([
    [
      'each to the other',
      [
        endpoint({ managingOrganization: { reference: 'Organization/o1' } }),
        organization({
          name: undefined,
          partOf: { reference: 'Organization/o1' },
          endpoint: [{ reference: 'Endpoint/e1' }],
        }),
      ],
    ],
    ['to itself', [endpoint({ managingOrganization: { reference: 'Endpoint/e1' } })]],
    ['to nothing', [endpoint({ managingOrganization: { reference: '#nowhere' }, contained: [] })]],
    ['to a number', [endpoint({ managingOrganization: { reference: 7 }, contained: 'x' })]],
    ['null', [endpoint({ managingOrganization: null, contained: [null, 1] })]],
    [
      'to a member of Object.prototype',
      [endpoint({ managingOrganization: { reference: '__proto__' } })],
    ],
  ])('%s', (_, resources) => {
    expect(names(...resources)).toEqual(['fhir.nowhere.example.com'])
  })
})

describe('an entry is passed over with a word', () => {
  test.each<[string, unknown, PassedOverCode]>([
    ['nothing', null, 'entry_malformed'],
    ['a text', 'Endpoint', 'entry_malformed'],
    ['a list', [endpoint()], 'entry_malformed'],
    ['a resource without a type', {}, 'entry_malformed'],
    ['switched off', endpoint({ status: 'off' }), 'not_active'],
    ['in error', endpoint({ status: 'entered-in-error' }), 'not_active'],
    ['a status of a wrong type', endpoint({ status: ['active'] }), 'not_active'],
    ['another kind', endpoint({ connectionType: { code: 'direct-project' } }), 'not_fhir_rest'],
    [
      'DSTU2',
      endpoint({
        extension: [
          {
            url: 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version',
            valueCode: '1.0.2',
          },
        ],
      }),
      'not_r4',
    ],
    ['no address', endpoint({ address: undefined }), 'address_missing'],
    ['an empty address', endpoint({ address: ' ' }), 'address_missing'],
    ['a list of addresses', endpoint({ address: [BASE] }), 'address_missing'],
    ['an address that is none', endpoint({ address: 'fhir.example.com/R4' }), 'address_not_url'],
    ['an endless address', endpoint({ address: `${BASE}/${'x'.repeat(5000)}` }), 'address_not_url'],
    ['http', endpoint({ address: BASE.replace('https', 'http') }), 'address_not_https'],
    ['a script', endpoint({ address: 'javascript:alert(1)' }), 'address_not_https'],
    ['a user', endpoint({ address: BASE.replace('//', '//a:b@') }), 'address_with_extras'],
    ['a query', endpoint({ address: `${BASE}?tenant=1` }), 'address_with_extras'],
    ['a private address', endpoint({ address: 'https://10.0.0.1/r4' }), 'address_private'],
    ['a private name', endpoint({ address: 'https://ehr.hospital.local/r4' }), 'address_private'],
    ['our own machine', endpoint({ address: 'https://localhost/r4' }), 'address_private'],
    ['our own machine over http', endpoint({ address: 'http://127.0.0.1/r4' }), 'address_private'],
    [
      'an address that is there already',
      endpoint({ address: `${BASE.replace('fhir.', 'FHIR.')}/` }),
      'address_twice',
    ],
  ])('%s', (_, resource, code) => {
    const { hospitals, passedOver } = read(bundle([endpoint(), resource]))
    expect(hospitals.map(each => each.fhirBase)).toEqual([BASE])
    expect(passedOver).toMatchObject([{ entry: 1, code }])
  })
})

test('other resources and versions of R4 are no matter', () => {
  const extension = [
    { url: 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version', valueCode: '4.0.1' },
  ]
  const { hospitals, passedOver } = read(
    bundle([endpoint({ extension }), { resourceType: 'Location' }]),
  )
  expect([hospitals.length, passedOver]).toEqual([1, []])
})

test('a private host that is accepted is taken', () => {
  const text = bundle([endpoint({ address: 'https://localhost:8443/r4' })])
  expect(read(text, ['localhost']).hospitals).toHaveLength(1)
  expect(read(text, ['localhost.example.com']).hospitals).toHaveLength(0)
})

test('names from outside are one harmless line', () => {
  const name = 'Evil\nclientId: x\u001b[31m\u202egnp\u0000 \u2028 end'
  expect(names(endpoint({ name }))).toEqual(['Evil clientId: x [31m gnp end'])
  expect(names(endpoint({ name: '\u200b\n' }))).toEqual(['fhir.nowhere.example.com'])
})

describe('is refused as a whole', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['no JSON', '{"resourceType":"Bundle"'],
    ['XML', '<Bundle/>'],
    ['a list', '[]'],
    ['null', 'null'],
    ['another resource', JSON.stringify(endpoint())],
    ['a transaction', bundle([endpoint()], { type: 'transaction' })],
    ['a Bundle without a type', bundle([endpoint()], { type: undefined })],
    ['no entries', bundle([])],
    ['entries of a wrong type', bundle([], { entry: { resource: endpoint() } })],
    ['nothing but organisations', bundle([organization()])],
    [
      'one page of several',
      bundle([endpoint()], { link: [{ relation: 'next', url: 'https://x' }] }),
    ],
    [
      'more endpoints than there are',
      bundle(Array.from({ length: 20_001 }, () => ({ resourceType: 'Endpoint' }))),
    ],
    ['a million brackets', '['.repeat(1_000_000)],
  ])('%s', (_, text) => {
    expect(() => read(text)).toThrowError(expect.objectContaining({ code: 'bundle_refused' }))
  })
})
