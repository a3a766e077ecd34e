import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fhirUrl, withoutValues } from '../../../broker/upstream/fhir-url.ts'

const BASE = 'https://ehr.example.com/proxy/api/FHIR/R4'
const reading = (path: string, base = BASE) => fhirUrl(base, { method: 'GET', path })

test.each([
  'metadata',
  'Patient',
  'Patient/erXuFYUfucBZaryVksYEcMg3',
  'Patient/a.b-c',
  'Patient/1/_history/2',
  'Patient/1/$everything',
  'Patient/$match',
  'Observation?patient=1&category=vital-signs&date=ge2026-01-01',
  'Patient?identifier=http://hl7.org/fhir/sid/us-ssn|1',
  'metadata?mode=full',
])('reads %s below the base', path => {
  expect(reading(path)).toBe(`${BASE}/${path}`)
  expect(reading(path, `${BASE}/`)).toBe(`${BASE}/${path}`)
})

/** What could lead to another host, out of the base, or into another request. */
const HOSTILE = [
  ...['', '/', '//evil.example.com', '/Patient/1', 'https://evil.example.com/', 'Patient//1'],
  ...['..', '../admin', 'Patient/..', 'Patient/.', 'Patient/../../oauth2/token', 'Patient/1/..'],
  ...['Patient/%2e%2e', 'Patient/1%2f..', 'Patient\\1', 'Patient/1#x', '@evil.example.com', ':80'],
  ...['Patient/1\r\nHost: evil', 'Patient/1\t', 'Patient/1 ', 'Patient/é', 'patient/1'],
  ...['metadata/x', 'Patient/1/Observation/2', 'Patient/1/_history', 'Patient?x=\n', 'Patient?x#y'],
  ...['Patient/1/_history/..', 'Patient/1/$', `Patient/${'x'.repeat(257)}`, 'Patient?é'],
  ...[`Patient?${'x'.repeat(4001)}`, '?x', 'Patient/'],
]

test.each(HOSTILE)('refuses %j', path => {
  expect(() => reading(path)).toThrow(expect.objectContaining({ code: 'fhir_path_unusable' }))
})

test('whatever is let through stays on the host and below the base', () => {
  const part = fc.constantFrom(
    'Patient',
    '..',
    '.',
    '/',
    '\\',
    '%2e',
    '@',
    ':',
    '?',
    '#',
    '1',
    '$x',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 6 }), parts => {
      let url: string
      try {
        url = reading(parts.join(''))
      } catch {
        return true
      }
      const { origin, pathname } = new URL(url)
      return `${origin}${pathname}` === `${BASE}/${parts.join('').split('?')[0]}`
    }),
  )
})

test.each<['PUT' | 'POST', string, boolean]>([
  ['POST', 'Observation', true],
  ['PUT', 'Observation/1', true],
  ['POST', 'Patient/$merge', false],
  ['POST', 'Patient/1', false],
  ['PUT', 'Patient', false],
  ['PUT', 'Patient?identifier=1', false],
  ['PUT', 'Patient/..', false],
  ['PUT', 'Patient/1/_history/2', false],
  ['POST', 'metadata', false],
])('%s %s: %s', (method, path, isGood) => {
  const url = () => fhirUrl(BASE, { method, path })
  if (isGood) expect(url()).toBe(`${BASE}/${path}`)
  else expect(url).toThrow(expect.objectContaining({ code: 'fhir_path_unusable' }))
})

test('a record has the names of what is searched by, and not the values', () => {
  expect(withoutValues(`${BASE}/Patient?family=Lopez&birthdate=1987-09-12&x`)).toBe(
    `${BASE}/Patient?family&birthdate&x`,
  )
  expect(withoutValues(`${BASE}/Patient/1`)).toBe(`${BASE}/Patient/1`)
})
