import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import * as oauth from 'openid-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import type { Refused } from '../../broker/recent-refusals.ts'
import { basic, makeWorld, PATIENT, SECRET, type World } from '../support/world.ts'

describe('against oidc-provider, an authorization server that we did not write', () => {
  test.each(['RS256', 'RS384', 'RS512', 'ES256', 'ES384'] as const)(
    '%s assertions are accepted',
    async alg => {
      const server = createServer()
      await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
      const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const world = await makeWorld({
        alg,
        upstreams: base => ({
          epic: { ...base, profile: 'smart', tokenEndpoint: `${issuer}/token`, clientId: 'broker' },
        }),
      })
      const published = readdirSync(join(world.folder, 'keys', 'nonprod')).filter(name =>
        name.endsWith('.jwk.json'),
      )
      const keys = published.map(name =>
        JSON.parse(readFileSync(join(world.folder, 'keys', 'nonprod', name), 'utf8')),
      )
      const signing = await generateKeyPair('RS256', { extractable: true })
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: 'broker',
            grant_types: ['client_credentials'],
            response_types: [],
            redirect_uris: [],
            token_endpoint_auth_method: 'private_key_jwt',
            token_endpoint_auth_signing_alg: alg,
            jwks: { keys },
            scope: PATIENT,
          },
        ],
        scopes: [PATIENT],
        features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
        clientAuthMethods: ['private_key_jwt'],
        enabledJWA: { clientAuthSigningAlgValues: [alg] },
        ttl: { ClientCredentials: 300 },
        jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), alg: 'RS256', use: 'sig' }] },
      })
      // The moved clock stands in 2026; the provider lives in real time.
      world.clock.advance((Date.now() - world.clock.now()) / 1000)
      const sent: string[] = []
      server.on('request', (request, reply) => {
        request.on('data', chunk => sent.push(String(chunk)))
        provider.callback()(request, reply)
      })
      const reply = await world.ask()
      expect(reply.json()).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: PATIENT })
      const replay = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: sent.join(''),
      })
      expect([replay.status, ((await replay.json()) as { error: string }).error]).toEqual([
        401,
        'invalid_client',
      ])
      await world.close()
      server.closeAllConnections()
      await new Promise(done => server.close(done))
    },
  )
})

describe('to openid-client, an OAuth library that we did not write', () => {
  let world: World
  let issuer: URL
  beforeAll(async () => {
    world = await makeWorld()
    issuer = new URL(await world.app.listen({ host: '127.0.0.1', port: 0 }))
  })
  afterAll(() => world.close())

  test.each([
    ['client_secret_basic', oauth.ClientSecretBasic],
    ['client_secret_post', oauth.ClientSecretPost],
  ] as const)(
    'the broker is an authorization server like any other (%s)',
    async (method, authentication) => {
      const metadata = { issuer: issuer.origin, token_endpoint: `${issuer.origin}/oauth2/token` }
      const client = new oauth.Configuration(
        metadata,
        'scheduling',
        undefined,
        authentication(SECRET),
      )
      oauth.allowInsecureRequests(client)
      const tokens = await oauth.clientCredentialsGrant(client, {
        resource: world.epic.fhirBase,
        scope: PATIENT,
      })
      expect(tokens.expires_in).toBe(3600)
      expect((await world.audit()).at(-1)).toMatchObject({ method, decision: 'granted' })
    },
  )

  test('a refusal is an error that the library understands', async () => {
    const metadata = { issuer: issuer.origin, token_endpoint: `${issuer.origin}/oauth2/token` }
    const client = new oauth.Configuration(
      metadata,
      'scheduling',
      undefined,
      oauth.ClientSecretBasic(SECRET),
    )
    oauth.allowInsecureRequests(client)
    await expect(
      oauth.clientCredentialsGrant(client, { audience: 'nowhere' }),
    ).rejects.toMatchObject({
      error: 'invalid_target',
    })
  })
})

test('a refusal that gives no reason is followed by its likely causes in the log', async () => {
  const world = await makeWorld({
    upstreams: base => ({ epic: { ...base, clientId: 'nobody' } }),
  })
  expect((await world.ask()).json()).toMatchObject({ code: 'upstream_invalid_client' })
  const lines = () =>
    world
      .logged()
      .split('\n')
      .filter(line => line.includes('why the EHR says no'))
  await vi.waitFor(() => expect(lines()).toHaveLength(1))
  const { upstream, code, causes } = JSON.parse(lines()[0] ?? '')
  expect([upstream, code]).toEqual(['epic', 'upstream_invalid_client'])
  expect(causes.slice(0, 2).map((each: { code: string }) => each.code)).toContain('client_id_wrong')
  expect(world.epic.lastReason()?.reason).toBe('client_unknown')
  await world.close()
})

describe('an upstream that is switched off', () => {
  const off = { enabled: false, reason: 'contract ended' }
  let dark: World
  beforeAll(async () => {
    const grant = (upstream: string) => ({ upstream, scopes: [PATIENT] })
    const secretSha256 = [secretHash(SECRET)]
    dark = await makeWorld({
      upstreams: ({ tokenEndpoint: _, ...base }) => ({
        epic: { ...base, ...off },
        other: { ...base, ...off },
      }),
      services: {
        scheduling: { secretSha256, grants: [grant('epic')] },
        billing: { secretSha256, grants: [grant('other')] },
      },
    })
  })
  afterAll(() => dark.close())

  test('is told of to a service that has the grant, with its own code', async () => {
    const reply = await dark.ask({ audience: 'epic' })
    expect([reply.statusCode, reply.json().error, reply.json().code]).toEqual([
      503,
      'temporarily_unavailable',
      'upstream_disabled',
    ])
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(60)
    expect(reply.body).not.toContain('contract ended')
    expect(dark.epic.tokenRequests).toBe(0)
  })

  test('is not told from one that does not exist, to a service without', async () => {
    const [hidden, unknown] = [
      await dark.ask({ audience: 'epic' }, basic('billing', SECRET)),
      await dark.ask({ audience: 'nowhere' }, basic('billing', SECRET)),
    ]
    expect(hidden.statusCode).toBe(400)
    expect([hidden.body, hidden.statusCode]).toEqual([unknown.body, unknown.statusCode])
    expect((await dark.audit()).map(each => each.code)).toEqual([
      'upstream_disabled',
      'upstream_not_granted',
      'upstream_unknown',
    ])
  })
})

test('the operator’s listener tells what has come to pass, in the status and in the metrics', async () => {
  const world = await makeWorld()
  await world.ask()
  await world.ask()
  await world.ask({ audience: 'nowhere' })
  await world.ask({}, basic('scheduling', 'not-the-secret'))
  const { upstreams, refusals } = (await world.admin.inject('/status')).json()
  expect(upstreams).toMatchObject([
    { id: 'epic', state: 'working', breaker: 'closed', tokens: [{ life: 3600 }] },
  ])
  expect(refusals.map(({ code, service, claimed }: Refused) => [code, service, claimed])).toEqual([
    ['secret_wrong', null, 'scheduling'],
    ['upstream_unknown', 'scheduling', 'scheduling'],
  ])
  const metrics = (await world.admin.inject('/metrics')).body
  for (const line of [
    'lockstep_requests_total{action="token",service="scheduling",upstream="epic",outcome="granted"} 2',
    'lockstep_requests_total{action="token",service="(unknown)",upstream="(none)",outcome="secret_wrong"} 1',
    'lockstep_cache_lookups_total{upstream="epic",result="hit"} 1',
    'lockstep_upstream_call_seconds_count{upstream="epic",outcome="granted"} 1',
    'lockstep_handout_seconds_count{outcome="granted"} 2',
    'lockstep_handout_seconds_count{outcome="refused"} 2',
    'lockstep_upstream_state{upstream="epic",state="working"} 1',
    `lockstep_signing_key_info{upstream="epic",environment="nonprod",kid="${world.kid}"} 1`,
  ])
    expect(metrics).toContain(`${line}\n`)
  expect((await world.admin.inject('/')).body).toContain('<title>Lockstep</title>')
  await world.close()
})

test.each([
  ['POST', '/nowhere', 'text/plain', 'a body'],
  ['POST', '/nowhere', 'application/json', '{'],
  ['GET', `/docs/static/${'a'.repeat(900)}`, undefined, undefined],
] as const)(
  '%s %s, of which nobody reads anything, is not found and no fault',
  async (method, url, type, payload) => {
    const world = await makeWorld()
    onTestFinished(() => world.close())
    const headers = type === undefined ? {} : { 'content-type': type }
    const reply = await world.app.inject({ method, url, headers, ...(payload && { payload }) })
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'not_found'])
    expect(world.logged()).toBe('')
  },
)
