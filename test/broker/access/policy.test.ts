import { expect, test } from 'vitest'
import { compilePolicy } from '../../../broker/access/policy.ts'
import { upstream } from '../../support/upstream.ts'

const ehr = upstream()
const policy = compilePolicy(
  'generation',
  new Map([
    [
      'billing',
      { secretSha256: ['ab'], grants: [{ upstream: 'ehr', scopes: ['system/Patient.read'] }] },
    ],
  ]),
  new Map([['ehr', ehr]]),
)

test('a service has its own grants and secrets', () => {
  expect(policy.grantsOf('billing')).toEqual([{ upstream: ehr, scopes: ['system/Patient.read'] }])
  expect(policy.secretsOf('billing')).toEqual(['ab'])
})

test('a grant at what is switched off is kept apart, and the upstream is known', () => {
  const off = { id: 'off', fhirBase: 'https://off.example.com', reason: 'contract ended' }
  const grants = [{ upstream: 'off', scopes: ['system/Patient.read'] }]
  const { grantsOf, disabledOf, upstreams } = compilePolicy(
    'generation',
    new Map([['billing', { secretSha256: [], grants }]]),
    new Map([['ehr', ehr]]),
    new Map([['off', off]]),
  )
  expect([grantsOf('billing'), disabledOf('billing')]).toEqual([[], [off]])
  expect(disabledOf('constructor')).toEqual([])
  expect(upstreams).toEqual([ehr, off])
})

test.each(['nobody', '__proto__', 'constructor'])('%s, who is no service, has nothing', name => {
  expect(policy.grantsOf(name)).toEqual([])
  expect(policy.secretsOf(name)).toBeUndefined()
})
