import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Hospital } from '../../../broker/catalogue/bundle.ts'
import { fieldsOf } from '../../../broker/catalogue/merge.ts'
import {
  type Existing,
  type Given,
  goneFrom,
  knownFrom,
  matchHospitals,
  planSteps,
} from '../../../broker/catalogue/plan.ts'
import type { Imported, ImportRecord } from '../../../broker/catalogue/record.ts'
import { newFile } from '../../../broker/catalogue/upstream-yaml.ts'
import type { UpstreamFile } from '../../../broker/config-schema.ts'
import { openSource } from '../../../broker/config-source.ts'

const BASE = 'https://ehr.example.com/r4'
const TOKEN = 'https://ehr.example.com/token'
const given: Given = {
  ...{ clientId: 'our-app', environment: 'production', profile: 'epic' },
  scopes: ['system/Patient.read'],
}
const upstream: UpstreamFile = { fhirBase: BASE, tokenEndpoint: TOKEN, ...given }
const hospital: Hospital = { fhirBase: BASE, names: ['Saint Nowhere'] }
const text = newFile('Saint Nowhere', fieldsOf(upstream))

const folder = (files: Record<string, Partial<UpstreamFile>>): Existing =>
  new Map(
    Object.entries(files).map(([id, parts]) => {
      const file = { ...upstream, ...parts }
      return [
        id,
        { upstream: file, source: openSource(id, newFile('Saint Nowhere', fieldsOf(file))) },
      ]
    }),
  )

const imported = (parts: Partial<Imported> = {}): Imported => ({
  ...{
    id: 'mercy',
    wrote: fieldsOf(upstream),
    foundAs: 'our-app',
    sha256: hash('sha256', text, 'hex'),
  },
  ...parts,
})
const record = (parts: Partial<Imported> = {}): ImportRecord => new Map([[BASE, imported(parts)]])

describe('the file of a hospital is', () => {
  const match = (known: ImportRecord, existing: Existing) => {
    const [found] = matchHospitals([hospital], known, existing, given)
    return found && [found.id, found.isRemoved]
  }
  test.each<[string, ImportRecord, Existing, [string | null, boolean]]>([
    ['the one of the record', record(), folder({ a: {}, mercy: {} }), ['mercy', false]],
    [
      'the one of the record, whatever its base is now',
      record(),
      folder({ mercy: { fhirBase: 'https://x' } }),
      ['mercy', false],
    ],
    ['one of its base, where there is no record', new Map(), folder({ a: {} }), ['a', false]],
    [
      'one of its base, written otherwise',
      new Map(),
      folder({ a: { fhirBase: `${BASE}/` } }),
      ['a', false],
    ],
    [
      'not that of another app',
      new Map(),
      folder({ a: { clientId: 'another-app' } }),
      [null, false],
    ],
    [
      'not that of another hospital',
      new Map(),
      folder({ a: { fhirBase: 'https://x' } }),
      [null, false],
    ],
    ['one that was renamed', record(), folder({ a: {} }), ['a', false]],
    ['none any more, where somebody removed it', record(), folder({}), [null, true]],
    ['none, at first', new Map(), folder({}), [null, false]],
  ])('%s', (_, known, existing, expected) => {
    expect(match(known, existing)).toEqual(expected)
  })
})

test('what was found counts for the client ID that it was found for', () => {
  const match = { hospital, last: imported(), id: 'mercy', isRemoved: false }
  expect(knownFrom(match, given)).toBe(TOKEN)
  expect(knownFrom(match, { ...given, clientId: 'other' })).toBeUndefined()
  expect(knownFrom({ ...match, last: imported({ foundAs: null }) }, given)).toBeUndefined()
  expect(knownFrom({ ...match, last: null }, given)).toBeUndefined()
})

const step = (known: ImportRecord, existing: Existing) => {
  const matches = matchHospitals([hospital], known, existing, given)
  const outcomes = new Map([[BASE, { tokenEndpoint: TOKEN }]])
  const [made] = planSteps(matches, outcomes, existing, known, given)
  if (made === undefined) throw new Error('no step')
  return made
}

test('a file that an interrupted import wrote is its own, though the record does not have it yet', () => {
  expect(step(new Map(), folder({ mercy: {} }))).toMatchObject({
    kind: 'same',
    imported: imported(),
  })
})

test('a file that was not its own does not become so by being the same', () => {
  const existing = folder({ mercy: {} })
  const { source } = existing.get('mercy') ?? {}
  Object.assign(source ?? {}, { text: `# mine\n${text}` })
  expect(step(new Map(), existing).imported.sha256).toBeNull()
})

test('a new id is none of the folder and none of the record', () => {
  const elsewhere = new Map([['https://gone', imported({ id: 'saint-nowhere' })]])
  expect(step(elsewhere, folder({ 'saint-nowhere-2': { fhirBase: 'https://x' } })).id).toBe(
    'saint-nowhere-3',
  )
})

test('a hospital is gone that the record has and the list has not, while it has a file', () => {
  expect(goneFrom([hospital], record(), folder({ mercy: {} }))).toEqual([])
  expect(goneFrom([], record(), folder({}))).toEqual([])
  expect(goneFrom([], record(), folder({ mercy: {} }))).toMatchObject([
    { id: 'mercy', isTouched: false },
  ])
  expect(goneFrom([], record(), folder({ mercy: { clientId: 'x' } }))).toMatchObject([
    { isTouched: true },
  ])
  expect(goneFrom([], record({ sha256: null }), folder({ mercy: {} }))).toMatchObject([
    { isTouched: true },
  ])
})
