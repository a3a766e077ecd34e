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

test.each(['nobody', '__proto__', 'constructor'])('%s, who is no service, has nothing', name => {
  expect(policy.grantsOf(name)).toEqual([])
  expect(policy.secretsOf(name)).toBeUndefined()
})
