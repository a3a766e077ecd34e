import { describe, expect, test } from 'vitest'
import { diagnose } from '../../../broker/diagnosis/diagnose.ts'
import type { Facts } from '../../../broker/diagnosis/facts.ts'
import { another, factsOf, refusedWith } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const HOUR = 3600
const codes = (parts: Partial<Facts>) => diagnose(factsOf(parts)).map(each => each.code)
const two = (parts: Partial<Facts>) => codes(parts).slice(0, 2)
const worked = (seconds: number, failures = 9, kid = 'kid-1') => ({
  past: { worked: seconds, kid, tried: seconds, failures },
})
const OLD = { configAge: 90 * 24 * HOUR }
const SANDBOX = { tokenEndpoint: 'https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token' }

describe('our side shows no fault', () => {
  test('and it is new: the record may not be there yet, or the client ID is wrong', () => {
    expect(two({ configAge: 600 })).toEqual(['not_synced_yet', 'client_id_wrong'])
    expect(two({ configAge: 11 * HOUR })[0]).toBe('not_synced_yet')
    expect(two({ configAge: 13 * HOUR })).not.toContain('not_synced_yet')
  })

  test('a config that was edited lately does not make an old upstream new', () => {
    const past = { worked: null, kid: null, tried: 50 * HOUR, failures: 40 }
    expect(codes({ configAge: 60, past })).not.toContain('not_synced_yet')
  })

  test('a sandbox syncs within the hour, and no firewall stands before it', () => {
    const sandbox = { upstream: upstream(SANDBOX) }
    expect(two({ ...sandbox, configAge: 600 })[0]).toBe('not_synced_yet')
    expect(two({ ...sandbox, configAge: 2 * HOUR })).not.toContain('not_synced_yet')
    expect(codes({ ...sandbox, ...OLD })).not.toContain('ehr_cannot_fetch_set')
  })

  test('and others with this client ID work: it is about this hospital', () => {
    expect(two({ ...OLD, others: [another()] })).toEqual([
      'ehr_cannot_fetch_set',
      'not_set_up_here',
    ])
  })

  test('and no other with this client ID works either: it is about the client', () => {
    expect(two({ ...OLD, others: [another({ works: false })] })).toEqual([
      ...['client_id_wrong', 'not_set_up_here'],
    ])
  })

  test('and it worked before: the hospital has changed something', () => {
    expect(two({ ...OLD, ...worked(50 * HOUR) })).toEqual([
      ...['not_set_up_here', 'ehr_cannot_fetch_set'],
    ])
  })

  test('and it worked a moment ago: a lone 400 is Epic’s, a row of them is not', () => {
    expect(two({ ...OLD, ...worked(60, 1) })[0]).toBe('flaky_refusal')
    expect(codes({ ...OLD, ...worked(60, 3) })).not.toContain('flaky_refusal')
    expect(codes({ ...OLD, ...worked(2 * HOUR, 1) })).not.toContain('flaky_refusal')
  })
})

describe('a client ID of the other environment is told by', () => {
  test.each<[string, Partial<Facts>]>([
    [
      'the same ID in the other environment',
      { others: [another({ environment: 'production', works: null })] },
    ],
    [
      'a sandbox that is said to be production',
      { upstream: upstream({ ...SANDBOX, environment: 'production' }) },
    ],
    [
      'a URL that says production',
      { upstream: upstream({ tokenEndpoint: 'https://ehr.example.com/interconnect-prd/token' }) },
    ],
  ])('%s', (_, parts) => {
    expect(two({ ...OLD, ...parts })[0]).toBe('client_of_other_environment')
  })

  test.each(['nonprod-prd', 'interconnect', 'tst'])('but not by %s in the URL', word => {
    const tokenEndpoint = `https://ehr.example.com/${word}/token`
    expect(codes({ ...OLD, upstream: upstream({ tokenEndpoint }) })).not.toContain(
      'client_of_other_environment',
    )
  })
})

test('unauthorized_client has one meaning', () => {
  expect(codes(refusedWith('upstream_unauthorized_client'))).toEqual(['user_not_mapped'])
})

test.each<[string, Facts['fhir']]>([
  ['scope_not_selected', { metadata: null, patient: { status: 403, lacks: 'scope' } }],
  ['user_may_not', { metadata: null, patient: { status: 403, lacks: 'user' } }],
  ['fhir_base_wrong', { metadata: { status: 404, lacks: null }, patient: null }],
  ['fhir_base_wrong', { metadata: { status: 0, lacks: null }, patient: null }],
])('a token is good and the FHIR server is not: %s', (code, fhir) => {
  expect(codes({ fhir, token: { outcome: 'granted' } })).toEqual([code])
})
