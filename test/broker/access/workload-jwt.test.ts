import { describe, expect, test } from 'vitest'
import type { WorkloadRule } from '../../../broker/access/access.ts'
import { readJwt } from '../../../broker/access/jwt.ts'
import { serviceOfWorkload } from '../../../broker/access/workload-jwt.ts'
import { ADDRESS, accessOf, codeOf, ISSUER } from '../../support/callers.ts'
import { KEY_URL, keySite } from '../../support/key-site.ts'
import { ecSigner, rsaSigner, type Signs } from '../../support/tokens.ts'

const CLUSTER = 'https://kubernetes.default.svc.cluster.local'
const GITHUB = 'https://token.actions.githubusercontent.com'
const DOMAIN = 'spiffe://example.org'
const platform = rsaSigner('platform')

const rule = (parts: Partial<WorkloadRule>): WorkloadRule => ({
  ...{ algs: ['RS256'], keys: KEY_URL, issuer: CLUSTER, audience: ISSUER, subject: '' },
  claims: new Map(),
  ...parts,
})
const access = accessOf({
  scheduling: { workloads: [rule({ subject: 'system:serviceaccount:prod:scheduling' })] },
  deploy: {
    workloads: [
      rule({
        ...{ issuer: GITHUB, subject: 'repo:acme/app:*', audience: 'lockstep' },
        claims: new Map([
          ['environment', 'production'],
          ['job_workflow_ref', 'acme/app/.github/workflows/deploy.yml@*'],
        ]),
      }),
    ],
  },
  billing: { workloads: [rule({ issuer: DOMAIN, subject: `${DOMAIN}/ns/prod/*` })] },
})

function door(...signers: Signs[]) {
  const { site, clock, keyFor } = keySite(...(signers.length > 0 ? signers : [platform]))
  const now = clock.now() / 1000
  const times = { iat: now, exp: now + 3600 }
  const pod = {
    ...{ iss: CLUSTER, sub: 'system:serviceaccount:prod:scheduling', aud: [ISSUER], ...times },
    'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'scheduling', uid: 'u' } },
  }
  const job = {
    ...{ iss: GITHUB, sub: 'repo:acme/app:ref:refs/heads/main', aud: 'lockstep', ...times },
    environment: 'production',
    job_workflow_ref: 'acme/app/.github/workflows/deploy.yml@refs/heads/main',
  }
  const svid = { sub: `${DOMAIN}/ns/prod/sa/billing`, aud: [ISSUER], ...times }
  const show = async (text: string, address = ADDRESS) => {
    let service = ''
    const code = await codeOf(async () => {
      const ports = { clock: clock.clock, keyFor }
      service = (await serviceOfWorkload(readJwt(text), address, access, ports)).service
    })
    return service || code
  }
  const present = async (claims: object, by: Signs = platform, header: object = {}) =>
    show(await by.sign(claims, header))
  return { site, clock, now, pod, job, svid, show, present }
}

describe('a workload is the service whose rule it fits', () => {
  test('a pod, by its service account', async () => {
    const { pod, present } = door()
    expect(await present(pod)).toBe('scheduling')
  })

  test('a job, by its repository, workflow and environment', async () => {
    const { job, present } = door()
    expect(await present(job)).toBe('deploy')
  })

  test('a SPIFFE workload, by its trust domain, with or without an issuer', async () => {
    const { svid, present } = door()
    expect(await present(svid)).toBe('billing')
    expect(await present({ ...svid, iss: 'https://spire.example.org' })).toBe('billing')
  })

  test('as often as it likes, until its token is over', async () => {
    const { clock, pod, show } = door()
    const text = await platform.sign({ ...pod, jti: 'same' })
    expect([await show(text), await show(text)]).toEqual(['scheduling', 'scheduling'])
    clock.advance(3629)
    expect(await show(text)).toBe('scheduling')
    clock.advance(1)
    expect(await show(text)).toBe('assertion_time_wrong')
  })
})

describe('a pod is refused', () => {
  test.each<[string, object, string]>([
    ['of another namespace', { sub: 'system:serviceaccount:dev:scheduling' }, 'workload_unknown'],
    [
      'of a name that begins alike',
      { sub: 'system:serviceaccount:prod:scheduling2' },
      'workload_unknown',
    ],
    ['of another cluster', { iss: 'https://evil.example' }, 'workload_unknown'],
    ['of an issuer with a slash more', { iss: `${CLUSTER}/` }, 'workload_unknown'],
    ['without an issuer', { iss: undefined }, 'workload_unknown'],
    ['without a subject', { sub: undefined }, 'workload_unknown'],
    [
      'with a subject that is a list',
      { sub: ['system:serviceaccount:prod:scheduling'] },
      'workload_unknown',
    ],
    ['with a token for the API server', { aud: [CLUSTER] }, 'assertion_audience_wrong'],
    [
      'with a token for us and another, who could show it to us',
      { aud: [ISSUER, CLUSTER] },
      'assertion_audience_wrong',
    ],
    ['with a token for nobody', { aud: [] }, 'assertion_audience_wrong'],
    ['with a token that never ends', { exp: undefined }, 'assertion_time_wrong'],
    ['with the audience of another rule', { aud: 'lockstep' }, 'assertion_audience_wrong'],
  ])('%s', async (_, claims, code) => {
    const { pod, present } = door()
    expect(await present({ ...pod, ...claims })).toBe(code)
  })

  test('with a token of more than a day', async () => {
    const { now, pod, present } = door()
    expect(await present({ ...pod, exp: now + 86_400 })).toBe('scheduling')
    expect(await present({ ...pod, exp: now + 86_431 })).toBe('assertion_time_wrong')
  })

  test('with another’s signature', async () => {
    const { pod, present } = door()
    expect(await present(pod, rsaSigner('platform', 1))).toBe('assertion_signature_wrong')
  })

  test('with an algorithm that its rule does not allow', async () => {
    const ec = ecSigner('platform')
    const { pod, present } = door(ec)
    expect(await present(pod, ec)).toBe('assertion_header_refused')
  })
})

describe('a job is refused', () => {
  test.each<[string, object]>([
    ['of another environment', { environment: 'staging' }],
    ['without one', { environment: undefined }],
    ['with one that is no text', { environment: ['production'] }],
    [
      'of another workflow',
      { job_workflow_ref: 'acme/app/.github/workflows/evil.yml@refs/heads/main' },
    ],
    ['of a repository that begins alike', { sub: 'repo:acme/app2:ref:refs/heads/main' }],
    ['of an owner that begins alike', { sub: 'repo:acme-evil/app:ref:refs/heads/main' }],
  ])('%s', async (_, claims) => {
    const { job, present } = door()
    expect(await present({ ...job, ...claims })).toBe('workload_unknown')
  })
})

describe('a SPIFFE workload is refused', () => {
  test.each([
    ['of a domain that begins alike', `${DOMAIN}.evil.example/ns/prod/sa/billing`],
    ['of another namespace', `${DOMAIN}/ns/dev/sa/billing`],
    ['of the rule itself', `${DOMAIN}/ns/prod/`],
  ])('%s', async (_, sub) => {
    const { svid, present } = door()
    expect(await present({ ...svid, sub })).toBe('workload_unknown')
  })
})

test('nothing is fetched for a token that fits no rule', async () => {
  const { site, now, pod, present } = door()
  for (const wrong of [
    { iss: 'x' },
    { sub: 'x' },
    { aud: 'x' },
    { exp: now - 100 },
    { exp: now * 2 },
  ])
    await present({ ...pod, ...wrong })
  expect(site.fetches).toBe(0)
})
