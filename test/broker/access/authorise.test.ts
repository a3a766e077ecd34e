import { describe, expect, test } from 'vitest'
import { type Ask, authorise, refuseExcess } from '../../../broker/access/authorise.ts'
import type { Grant } from '../../../broker/access/policy.ts'
import type { BrokerError } from '../../../broker/errors.ts'
import { PROFILES } from '../../../broker/profiles.ts'
import { upstream } from '../../support/upstream.ts'

const base = 'https://ehr.example.com/FHIR/R4'
const patients: Grant = {
  upstream: upstream({ id: 'patients', fhirBase: base }),
  scopes: ['system/Patient.read'],
  mode: 'enforce',
}
const coverage: Grant = {
  upstream: upstream({ id: 'coverage', fhirBase: base }),
  scopes: ['system/Coverage.read'],
  mode: 'enforce',
}
const other: Grant = {
  upstream: upstream({ id: 'other', fhirBase: 'https://other.example.com/r4' }),
  scopes: ['system/*.rs', 'system/Task.cruds'],
  mode: 'enforce',
}
const hidden = upstream({ id: 'hidden', fhirBase: 'https://hidden.example.com/r4' })
const upstreams = [patients.upstream, coverage.upstream, other.upstream, hidden]

const ask = (parts: Partial<Ask> = {}): Ask => ({
  resources: [],
  audience: undefined,
  scope: undefined,
  ...parts,
})

const outcome = (grants: Grant[], asked: Ask): string => {
  try {
    return authorise(grants, asked, upstreams).grant.upstream.id
  } catch (error) {
    return (error as BrokerError).code
  }
}

describe('the target', () => {
  test.each<[string, Grant[], Ask, string]>([
    ['may be left out with one grant', [patients], ask(), 'patients'],
    ['must be said with several', [patients, other], ask(), 'target_missing'],
    ['is refused without any grant', [], ask(), 'upstream_not_granted'],
    ['is picked by audience', [patients, coverage], ask({ audience: 'coverage' }), 'coverage'],
    ['is picked by resource', [patients, other], ask({ resources: [base] }), 'patients'],
    [
      'is picked by resource with a slash at the end',
      [patients, other],
      ask({ resources: [`${base}/`] }),
      'patients',
    ],
    [
      'is picked by resource in another case of host',
      [patients, other],
      ask({ resources: [base.replace('ehr', 'EHR')] }),
      'patients',
    ],
    [
      'is picked by resource with the default port',
      [patients, other],
      ask({ resources: [base.replace('.com', '.com:443')] }),
      'patients',
    ],
    [
      'is not another path',
      [patients, other],
      ask({ resources: [`${base}//`] }),
      'upstream_unknown',
    ],
    [
      'is ambiguous where two grants share the base',
      [patients, coverage],
      ask({ resources: [base] }),
      'target_ambiguous',
    ],
    [
      'is settled by audience beside resource',
      [patients, coverage],
      ask({ resources: [base], audience: 'patients' }),
      'patients',
    ],
    [
      'must agree in audience and resource',
      [patients, other],
      ask({ resources: [base], audience: 'other' }),
      'upstream_unknown',
    ],
    ['may be one resource only', [patients], ask({ resources: [base, base] }), 'target_several'],
    [
      'that is known but not granted is refused',
      [patients],
      ask({ audience: 'hidden' }),
      'upstream_not_granted',
    ],
    ['that is unknown is refused', [patients], ask({ audience: 'nowhere' }), 'upstream_unknown'],
    [
      'that is no URL is refused',
      [patients],
      ask({ resources: ['not a url'] }),
      'upstream_unknown',
    ],
    [
      'named like a member of Object.prototype is refused',
      [patients],
      ask({ audience: '__proto__' }),
      'upstream_unknown',
    ],
  ])('%s', (_, grants, asked, expected) => {
    expect(outcome(grants, asked)).toBe(expected)
  })

  test('looks the same from outside, unknown or not granted', () => {
    const shown = ['hidden', 'nowhere'].map(audience => {
      try {
        authorise([patients], ask({ audience }), upstreams)
        return null
      } catch (error) {
        const { shownCode, row } = error as BrokerError
        return { shownCode, row }
      }
    })
    expect(shown[0]).not.toBeNull()
    expect(shown[0]).toEqual(shown[1])
  })
})

describe('an upstream that is switched off', () => {
  const off = { id: 'off', fhirBase: base }
  test.each<[string, Grant[], Ask, string]>([
    ['is told of by name', [patients], ask({ audience: 'off' }), 'upstream_disabled'],
    ['is told of as the only one', [], ask(), 'upstream_disabled'],
    ['is one of several', [other], ask(), 'target_missing'],
    ['is told of by its base', [other], ask({ resources: [base] }), 'upstream_disabled'],
    ['shares a base as before', [patients], ask({ resources: [base] }), 'target_ambiguous'],
    ['leaves the others alone', [patients], ask({ audience: 'patients' }), 'patients'],
  ])('%s to a service with the grant', (_, grants, asked, expected) => {
    const decide = () => authorise(grants, asked, [...upstreams, off], [off]).grant.upstream.id
    if (expected === 'patients') expect(decide()).toBe(expected)
    else expect(decide).toThrowError(expect.objectContaining({ code: expected }))
  })

  test('is not told of to a service without', () => {
    const decide = () => authorise([patients], ask({ audience: 'off' }), [...upstreams, off], [])
    expect(decide).toThrowError(expect.objectContaining({ code: 'upstream_not_granted' }))
  })
})

test('where the app fixes the scopes all of them are asked, whatever is', () => {
  const app = upstream({
    profileName: 'epic',
    profile: PROFILES.epic,
    scopes: ['system/Patient.read', 'system/Task.read'],
  })
  const grants: Grant[] = [
    { upstream: app, scopes: ['system/Patient.rs', 'system/Task.rs'], mode: 'enforce' },
  ]
  expect(authorise(grants, ask({ scope: 'system/Patient.read' }), []).scopes).toEqual(app.scopes)
  expect(authorise(grants, ask(), []).scopes).toEqual(app.scopes)
})

describe('the scope', () => {
  test('is the whole grant where none is asked', () => {
    expect(authorise([other], ask(), upstreams).scopes).toEqual([
      'system/*.rs',
      'system/Task.cruds',
    ])
  })

  test.each([
    ['system/Patient.read', ['system/Patient.read']],
    ['system/Patient.rs system/Coverage.r', ['system/Coverage.r', 'system/Patient.rs']],
    ['system/Task.u system/Task.u', ['system/Task.u']],
  ])('%s lies within the grant and is asked in a fixed order', (scope, scopes) => {
    expect(authorise([other], ask({ scope }), upstreams).scopes).toEqual(scopes)
  })

  test.each([
    ['system/Patient.write', 'scope_not_granted'],
    ['user/Patient.read', 'scope_not_granted'],
    ['system/Patient.cruds', 'scope_not_granted'],
    ['system/*.cruds', 'scope_not_granted'],
    ['openid', 'scope_not_granted'],
    [' system/Patient.read', 'scope_malformed'],
    ['system/Patient.read  system/Task.r', 'scope_malformed'],
    ['system/Patient.read\n', 'scope_malformed'],
    ['"system/Patient.read"', 'scope_malformed'],
  ])('%j is refused', (scope, code) => {
    expect(outcome([other], ask({ scope }))).toBe(code)
  })
})

describe('where policy is only recorded', () => {
  const audited: Grant = {
    upstream: upstream({ id: 'audited', scopes: ['system/Patient.read', 'system/Task.read'] }),
    scopes: ['system/Patient.read'],
    mode: 'audit',
  }

  test.each([
    ['system/Patient.read', null],
    ['system/Task.read', 'scope_not_granted'],
    ['system/Patient.read system/Task.r', 'scope_not_granted'],
  ])('%s is given, and what it would have been refused with is told', (scope, tolerated) => {
    expect(authorise([audited], ask({ scope }), upstreams)).toMatchObject({ tolerated })
  })

  test.each([
    [{ scope: 'system/Coverage.read' }, 'scope_not_granted'],
    [{ scope: 'system/Task.cruds' }, 'scope_not_granted'],
    [{ scope: 'two  spaces' }, 'scope_malformed'],
    [{ audience: 'other' }, 'upstream_not_granted'],
  ])('%j is refused all the same: not in the upstream’s list, or no grant there', (parts, code) => {
    expect(outcome([audited], ask(parts))).toBe(code)
  })

  test('the EHR may grant what the upstream’s list has, and no more', () => {
    expect(refuseExcess(audited, 'system/Patient.read')).toBeNull()
    expect(refuseExcess(audited, 'system/Patient.read system/Task.read')).toBe(
      'scope_exceeds_grant',
    )
    expect(() => refuseExcess(audited, 'system/Observation.read')).toThrowError(
      expect.objectContaining({ code: 'scope_exceeds_grant' }),
    )
  })
})

test('what the EHR granted beyond the grant is refused', () => {
  expect(() => refuseExcess(patients, 'system/Patient.read system/Observation.read')).toThrowError(
    expect.objectContaining({ code: 'scope_exceeds_grant' }),
  )
  expect(() => refuseExcess(patients, 'Patient.Read Patient.search')).not.toThrow()
})
