import fc from 'fast-check'
import { expect, test } from 'vitest'
import { coverage, parseScopeList } from '../../broker/scopes.ts'

test.each<[string[], string, boolean]>([
  [['system/Patient.read'], 'system/Patient.rs', true],
  [['system/Patient.rs'], 'system/Patient.read', true],
  [['system/Patient.read'], 'Patient.read', true],
  [['system/Patient.read'], 'patient.READ', true],
  [['system/Patient.read'], 'Patient.search', true],
  [['system/Patient.read'], 'system/Patient.write', false],
  [['system/Patient.write'], 'system/Patient.cud', true],
  [['system/Patient.*'], 'system/Patient.cruds', true],
  [['system/*.read'], 'system/Patient.read', true],
  [['system/Patient.read'], 'system/*.read', false],
  [['system/Patient.read'], 'user/Patient.read', false],
  [['system/Patient.read'], 'patient/Patient.read', false],
  [['system/Patient.r', 'system/Patient.s'], 'system/Patient.rs', true],
  [['system/Observation.rs?category=laboratory'], 'system/Observation.rs', false],
  [['system/Observation.rs'], 'system/Observation.rs?category=laboratory', true],
  [
    ['system/Observation.rs?category=laboratory'],
    'system/Observation.rs?category=laboratory',
    true,
  ],
  [
    ['system/Observation.rs?category=vital-signs'],
    'system/Observation.rs?category=laboratory',
    false,
  ],
  [['system/Observation.rs?code=a1'], 'system/Observation.rs?code=A1', false],
  [['system/Observation.rs?code=A1'], 'OBSERVATION.read?code=A1', true],
  [['openid'], 'OpenID', true],
  [['openid'], 'fhirUser', false],
  [['system/Patient.sr'], 'system/Patient.s', false],
  [[], 'system/Patient.read', false],
  [['system/Patient.read'], 'system/Patient.constructor', false],
  [['system/Patient.constructor'], 'system/Patient.constructor', true],
  [['system/Patient.read'], 'system/__proto__.read', false],
])('%j covers %s: %s', (granted, asked, expected) => {
  expect(coverage(granted)(asked)).toBe(expected)
})

test('whatever is granted covers itself', () => {
  const scope = fc
    .tuple(
      fc.constantFrom('system', 'user', 'patient'),
      fc.constantFrom('Patient', 'Observation', '*'),
      fc.constantFrom('read', 'write', '*', 'rs', 'cruds', 'u'),
    )
    .map(([level, resource, actions]) => `${level}/${resource}.${actions}`)
  fc.assert(
    fc.property(fc.array(scope, { minLength: 1 }), granted => granted.every(coverage(granted))),
  )
})

test('a scope list is the same in any order and with repetitions', () => {
  expect(parseScopeList('b a b')).toEqual(parseScopeList('a b'))
})

test.each(['', ' a', 'a ', 'a  b', 'a\tb', 'a\\b', 'a"b', 'é'])('%j is not a scope list', text => {
  expect(parseScopeList(text)).toBeNull()
})

test('a list of more than 500 scopes is none', () => {
  const list = (count: number) => Array.from({ length: count }, (_, at) => `s${at}`).join(' ')
  expect(parseScopeList(list(500))).toHaveLength(500)
  expect(parseScopeList(list(501))).toBeNull()
})
