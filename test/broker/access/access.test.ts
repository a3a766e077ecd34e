import { expect, test } from 'vitest'
import { compileAccess, offeredBy, type WorkloadRule } from '../../../broker/access/access.ts'
import { callerRules, ISSUER } from '../../support/callers.ts'
import { KEY_URL } from '../../support/key-site.ts'

const RULE: WorkloadRule = {
  ...{ algs: ['ES256'], keys: KEY_URL, issuer: 'https://i', audience: 'a', subject: 's' },
  claims: new Map(),
}
const callers = new Map([
  ['a', callerRules({ secretSha256: ['ab'], certificates: ['DNS:a'] })],
  ['b', callerRules({ workloads: [RULE] })],
  ['c', callerRules({ keys: { algs: ['RS256', 'ES256'], keys: KEY_URL } })],
])

test('a service is found by its id, its rules and its names', () => {
  const access = compileAccess(ISSUER, callers)
  expect(access.rulesOf('a')?.secretSha256).toEqual(['ab'])
  expect(access.workloads).toEqual([{ ...RULE, service: 'b' }])
  expect([access.namedIn('DNS:a'), access.namedIn('DNS:b')]).toEqual(['a', undefined])
  expect(access.audiences).toEqual([ISSUER, `${ISSUER}/oauth2/token`])
})

test.each(['nobody', '__proto__', 'constructor'])('%s is no service', name => {
  const { rulesOf, namedIn } = compileAccess(ISSUER, callers)
  expect([rulesOf(name), namedIn(name)]).toEqual([undefined, undefined])
})

test.each([
  [['a'], ['client_secret_basic', 'client_secret_post', 'tls_client_auth'], []],
  [['b'], ['private_key_jwt'], ['ES256']],
  [['c'], ['private_key_jwt'], ['ES256', 'RS256']],
  [[], [], []],
])('%j have these methods on offer', (ids, methods, algs) => {
  const some = ids.map(id => callers.get(id) ?? callerRules())
  expect(offeredBy(some)).toEqual({ methods, algs })
})
