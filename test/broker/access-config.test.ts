import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { settleCallers } from '../../broker/access-config.ts'
import { USUAL_ALGS } from '../../broker/caller-keys.ts'
import type { Complaint } from '../../broker/config-rules.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { privateJwk } from '../support/keys.ts'
import { rsaSigner, setOf } from '../support/tokens.ts'

type Service = ConfigFile['services'][string]

function settle(service: Partial<Service>, text: string | null = setOf(rsaSigner('k'))) {
  const file: ConfigFile = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
  file.services = { a: { grants: [], ...service } }
  file.workloadIssuers = {
    cluster: { issuer: 'https://cluster', jwksUri: 'https://c/jwks', ca: 'ca', tokenFile: 'token' },
  }
  const complaints: Complaint[] = []
  const callers = settleCallers(file, {
    pathAt: (_, given) => `/etc/${given}`,
    read: () => text,
    readAuthorities: given => `PEM of ${given}`,
    complaints,
  })
  return { rules: callers.get('a'), at: complaints.map(each => each.at), issuer: file.issuer }
}

test('what is left out is nothing, and no limit', () => {
  expect(settle({ secretSha256: ['ab'] }).rules).toEqual({
    ...{ secretSha256: ['ab'], keys: null, workloads: [], certificates: [] },
    ...{ rateLimit: null, concurrency: null },
  })
})

test('a workload has the keys of its issuer, and our issuer for an audience', () => {
  const { rules, issuer } = settle({
    workloads: [
      { issuer: 'cluster', subject: 's', claims: { x: 'y' } },
      { issuer: '?', subject: 's' },
    ],
  })
  expect(rules?.workloads).toEqual([
    {
      ...{ issuer: 'https://cluster', audience: issuer, subject: 's', algs: USUAL_ALGS },
      claims: new Map([['x', 'y']]),
      keys: { url: 'https://c/jwks', ca: 'PEM of ca', tokenFile: '/etc/token' },
    },
  ])
})

test.each([
  [{ dns: 'a.internal' }, ['DNS:a.internal']],
  [{ uri: 'spiffe://x/y' }, ['URI:spiffe://x/y']],
])('a certificate %j is told from others by %j', (certificate, names) => {
  expect(settle({ certificate }).rules?.certificates).toEqual(names)
})

test('a rate lets a whole minute go at once unless it says otherwise', () => {
  expect(settle({ rateLimit: { perMinute: 60 } }).rules?.rateLimit).toEqual({
    ...{ perMinute: 60, burst: 60 },
  })
  expect(settle({ rateLimit: { perMinute: 60, burst: 5 } }).rules?.rateLimit?.burst).toBe(5)
})

describe('a file of keys', () => {
  const keys = { jwksFile: 'jwks.json', algs: ['RS256' as const] }
  test('is read with the config', () => {
    const { rules, at } = settle({ keys })
    expect(rules?.keys).toMatchObject({ algs: ['RS256'], keys: { keys: [{ kid: 'k' }] } })
    expect(at).toEqual([])
  })

  test.each<[string, string | null, string[]]>([
    ['that is no key set', '[]', ['/services/a/keys/jwksFile']],
    ['without a key', '{"keys":[]}', ['/services/a/keys/jwksFile']],
    ['with a private key', JSON.stringify({ keys: [privateJwk()] }), ['/services/a/keys/jwksFile']],
    ['that cannot be read, which is said elsewhere', null, []],
  ])('%s', (_, text, at) => {
    expect(settle({ keys }, text).at).toEqual(at)
  })
})
