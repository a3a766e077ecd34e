import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { accessRules } from '../../broker/access-rules.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'

type Service = ConfigFile['services'][string]
type Certificate = NonNullable<Service['certificate']>
type Workload = NonNullable<Service['workloads']>[number]

const URL_KEYS = { jwksUri: 'https://issuer.example.com/jwks' }
const ISSUERS: NonNullable<ConfigFile['workloadIssuers']> = {
  cluster: { issuer: 'https://kubernetes.default.svc', ...URL_KEYS },
  github: { issuer: 'https://token.actions.githubusercontent.com', ...URL_KEYS },
  mesh: { issuer: 'spiffe://example.org', ...URL_KEYS },
}

function complaints(change: {
  services?: Record<string, Partial<Service>>
  issuers?: ConfigFile['workloadIssuers']
  clientCa?: boolean
}): string[] {
  const made: ConfigFile = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
  made.workloadIssuers = change.issuers ?? ISSUERS
  made.services = Object.fromEntries(
    Object.entries(change.services ?? {}).map(([id, each]) => [id, { grants: [], ...each }]),
  )
  if (change.clientCa) made.listen.tls = { cert: 'c', key: 'k', clientCa: 'ca' }
  return accessRules(made).map(each => each.at)
}

const workload = (issuer: string, subject: string, more: Partial<Workload> = {}) => ({
  workloads: [{ issuer, subject, ...more }],
})

describe('a service', () => {
  test.each<[string, Partial<Service>, boolean, string[]]>([
    ['without any way in', {}, false, ['/services/a']],
    ['with a secret', { secretSha256: ['ab'] }, false, []],
    ['with keys at a URL', { keys: URL_KEYS }, false, []],
    ['with keys in a file', { keys: { jwksFile: 'f' } }, false, []],
    ['with keys nowhere', { keys: {} }, false, ['/services/a/keys']],
    [
      'with keys twice',
      { keys: { jwksFile: 'f', ...URL_KEYS } },
      false,
      ['/services/a/keys/jwksFile'],
    ],
    [
      'with keys over http',
      { keys: { jwksUri: 'http://127.0.0.1/jwks' } },
      false,
      ['/services/a/keys/jwksUri'],
    ],
    [
      'with keys behind a password',
      { keys: { jwksUri: 'https://a:b@x.example/' } },
      false,
      ['/services/a/keys/jwksUri'],
    ],
    ['with keys at no URL', { keys: { jwksUri: 'jwks' } }, false, ['/services/a/keys/jwksUri']],
    [
      'with an authority for a file',
      { keys: { jwksFile: 'f', ca: 'ca' } },
      false,
      ['/services/a/keys/ca'],
    ],
    ['with a certificate', { certificate: { dns: 'a.internal' } }, true, []],
    [
      'with a certificate that nobody asks for',
      { certificate: { dns: 'a' } },
      false,
      ['/services/a/certificate'],
    ],
    [
      'with a certificate of two names',
      { certificate: { dns: 'a', uri: 'b:c' } },
      true,
      ['/services/a/certificate'],
    ],
    ['with a certificate of no name', { certificate: {} }, true, ['/services/a/certificate']],
    [
      'with every fault at once',
      { certificate: {}, keys: {} },
      false,
      ['/services/a/certificate', '/services/a/certificate', '/services/a/keys'],
    ],
  ])('%s', (_, service, clientCa, at) => {
    expect(complaints({ services: { a: service }, clientCa })).toEqual(at)
  })
})

describe('an issuer', () => {
  const issuer = 'https://i.example'
  test.each<[string, NonNullable<ConfigFile['workloadIssuers']>, string[]]>([
    ['without keys', { a: { issuer } }, ['/workloadIssuers/a']],
    [
      'with a bearer token for a file',
      { a: { issuer, jwksFile: 'f', tokenFile: 't' } },
      ['/workloadIssuers/a/tokenFile'],
    ],
    [
      'that is there already',
      { a: { issuer, ...URL_KEYS }, b: { issuer, jwksFile: 'f' } },
      ['/workloadIssuers/b/issuer'],
    ],
    [
      'with everything',
      { a: { issuer, ...URL_KEYS, ca: 'c', tokenFile: 't', algs: ['ES256'] } },
      [],
    ],
  ])('%s', (_, issuers, at) => {
    expect(complaints({ issuers })).toEqual(at)
  })
})

describe('a workload', () => {
  const SUBJECT = ['/services/a/workloads/0/subject']
  test.each<[string, Partial<Service>, string[]]>([
    ['of a pod', workload('cluster', 'system:serviceaccount:prod:a'), []],
    [
      'of an issuer that is not there',
      workload('nowhere', 'x'),
      ['/services/a/workloads/0/issuer'],
    ],
    [
      'of a name of Object.prototype',
      workload('constructor', 'x'),
      ['/services/a/workloads/0/issuer'],
    ],
    ['of anybody', workload('cluster', '*'), SUBJECT],
    ['of a * in the middle', workload('cluster', 'system:serviceaccount:*:a'), SUBJECT],
    ['of a * after letters', workload('cluster', 'system:serviceaccount:prod:a*'), SUBJECT],
    [
      'of a claim of anybody',
      workload('cluster', 'x', { claims: { 'a/b~c': '*' } }),
      ['/services/a/workloads/0/claims/a~1b~0c'],
    ],
    ['of a repository', workload('github', 'repo:acme/app:*'), []],
    ['of an owner', workload('github', 'repo:acme/*'), []],
    ['of all GitHub', workload('github', 'repo:*'), SUBJECT],
    ['of all GitHub’s environments', workload('github', 'environment:production'), SUBJECT],
    [
      'of one whose owner is a claim',
      workload('github', 'environment:production', { claims: { repository_owner_id: '7' } }),
      [],
    ],
    [
      'of one whose owner could be anybody',
      workload('github', 'environment:x', { claims: { repository: 'acme/*' } }),
      SUBJECT,
    ],
    ['of a trust domain', workload('mesh', 'spiffe://example.org/ns/prod/*'), []],
    ['of another trust domain', workload('mesh', 'spiffe://example.org.evil/*'), SUBJECT],
  ])('%s', (_, service, at) => {
    expect(complaints({ services: { a: service } })).toEqual(at)
  })
})

describe('one token means one service', () => {
  const CLASH = ['/services/b/workloads/0']
  const both = (one: Partial<Service>, other: Partial<Service>) =>
    complaints({ services: { a: one, b: other } })
  test.each<[string, Partial<Service>, Partial<Service>, string[]]>([
    ['the same subject twice', workload('cluster', 'x:y'), workload('cluster', 'x:y'), CLASH],
    ['a subject within a pattern', workload('cluster', 'x:*'), workload('cluster', 'x:y'), CLASH],
    ['a pattern within a pattern', workload('cluster', 'x:y:*'), workload('cluster', 'x:*'), CLASH],
    ['two subjects', workload('cluster', 'x:y'), workload('cluster', 'x:z'), []],
    [
      'two issuers',
      workload('cluster', 'x:y'),
      workload('github', 'x:y', { claims: { repository: 'a/b' } }),
      [],
    ],
    [
      'two audiences',
      workload('cluster', 'x:y', { audience: 'a' }),
      workload('cluster', 'x:y'),
      [],
    ],
    [
      'two environments',
      workload('github', 'repo:a/b:*', { claims: { environment: 'prod' } }),
      workload('github', 'repo:a/b:*', { claims: { environment: 'dev' } }),
      [],
    ],
    [
      'claims that have nothing in common',
      workload('github', 'repo:a/b:*', { claims: { environment: 'prod' } }),
      workload('github', 'repo:a/b:*', { claims: { ref: 'refs/heads/main' } }),
      CLASH,
    ],
    [
      'an issuer and the trust domain of its subject',
      workload('cluster', 'spiffe://example.org/x'),
      workload('mesh', 'spiffe://example.org/*'),
      CLASH,
    ],
  ])('%s', (_, one, other, at) => {
    expect(both(one, other)).toEqual(at)
  })

  test('a service may say twice what it is, of one issuer', () => {
    const { workloads } = workload('cluster', 'x:y')
    expect(complaints({ services: { a: { workloads: [...workloads, ...workloads] } } })).toEqual([])
  })

  test.each<[Certificate, Certificate, string[]]>([
    [{ dns: 'a' }, { dns: 'a' }, ['/services/b/certificate']],
    [{ uri: 'a:b' }, { uri: 'a:b' }, ['/services/b/certificate']],
    [{ dns: 'a' }, { dns: 'b' }, []],
    [{ dns: 'a' }, { uri: 'a:b' }, []],
  ])('as does one certificate: %j and %j', (one, other, at) => {
    const services = { a: { certificate: one }, b: { certificate: other } }
    expect(complaints({ services, clientCa: true })).toEqual(at)
  })
})
