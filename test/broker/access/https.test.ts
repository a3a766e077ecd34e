import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import {
  clientCredentialsGrant,
  clockSkew,
  customFetch,
  discovery,
  PrivateKeyJwt,
} from 'openid-client'
import { Agent, fetch as send } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { secretHash } from '../../../broker/access/secrets.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import { ecPair } from '../../support/keys.ts'
import { freePort } from '../../support/processes.ts'
import { ecSigner, rsaSigner, setOf } from '../../support/tokens.ts'
import { basic, makeWorld, PATIENT, SECRET, type World } from '../../support/world.ts'

const SVID = 'spiffe://example.org/ns/prod/sa/mesh'
const CLUSTER = 'https://kubernetes.default.svc'
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const platform = rsaSigner('platform')
const mine = ecSigner('mine')
const grants = [{ upstream: 'epic', scopes: [PATIENT] }]

let world: World
let issuer: string
let clients: Authority
let site: { url: string; served: string; fetches: number; close: () => Promise<unknown> }
beforeAll(async () => {
  clients = await makeAuthority()
  const port = await freePort()
  issuer = `https://localhost:${port}`
  world = await makeWorld({
    prepare: async (file, folder, authority) => {
      const { cert, key } = await authority.issue()
      site = await serveKeys({ cert, key })
      writeFileSync(join(folder, 'server.pem'), cert)
      writeFileSync(join(folder, 'server.key'), key)
      writeFileSync(join(folder, 'clients.pem'), clients.ca)
      writeFileSync(join(folder, 'jwks.json'), setOf(mine))
      file.issuer = issuer
      const tls = { cert: 'server.pem', key: 'server.key', clientCa: 'clients.pem' }
      file.listen = { port, tls }
      file.workloadIssuers = { cluster: { issuer: CLUSTER, jwksUri: site.url, ca: 'ca.pem' } }
      file.services = {
        scheduling: { secretSha256: [secretHash(SECRET)], grants },
        signer: { keys: { jwksFile: 'jwks.json' }, grants },
        pod: {
          workloads: [{ issuer: 'cluster', subject: 'system:serviceaccount:prod:pod' }],
          ...{ rateLimit: { perMinute: 6, burst: 2 }, grants },
        },
        mesh: { certificate: { uri: SVID }, grants },
        host: { certificate: { dns: 'host.internal' }, grants },
      }
    },
  })
  await world.app.listen({ host: '127.0.0.1', port })
})
afterAll(async () => {
  await world.close()
  await site.close()
})

/** The key set of a cluster, over HTTPS. */
async function serveKeys(tls: { cert: string; key: string }): Promise<typeof site> {
  const server = createServer(tls, (_, reply) => {
    made.fetches++
    reply.writeHead(200, { 'content-type': 'application/json' }).end(made.served)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const made = {
    url: `https://localhost:${(server.address() as AddressInfo).port}/openid/v1/jwks`,
    served: setOf(platform),
    fetches: 0,
    close: () => new Promise(done => server.close(done)),
  }
  return made
}

type Identity = { cert: string; key: string }

/** What is answered over a connection of its own, on which that certificate is shown. */
async function post(
  form: Record<string, string>,
  { identity, authorization, path = '/oauth2/token' }: Partial<Sent> = {},
) {
  const agent = new Agent({ connect: { ca: world.ca, ...identity } })
  try {
    const reply = await send(`${issuer}${path}`, {
      ...{ method: 'POST', dispatcher: agent },
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization && { authorization }),
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString(),
    })
    const body = (await reply.json()) as Record<string, unknown>
    return { status: reply.status, body, headers: reply.headers }
  } finally {
    await agent.close()
  }
}
type Sent = { identity: Identity; authorization: string; path: string }

const lastRecord = async () => (await world.audit()).at(-1)
const assertion = (text: string) => ({ client_assertion: text, client_assertion_type: JWT_BEARER })
const podClaims = (jti: string = randomUUID()) => {
  const now = world.clock.now() / 1000
  const sub = 'system:serviceaccount:prod:pod'
  return { iss: CLUSTER, sub, aud: [issuer], iat: now, exp: now + 3600, jti }
}

describe('mutual TLS, for real', () => {
  test.each([
    ['a SPIFFE ID', { names: [], uris: [SVID] }, 'mesh'],
    ['a DNS name', { names: ['Host.Internal'] }, 'host'],
  ])('a certificate with %s is a service', async (_, names, service) => {
    const identity = await clients.issue({ ...names, isClient: true })
    const { status, body } = await post({}, { identity })
    expect([status, body['token_type']]).toEqual([200, 'Bearer'])
    expect(await lastRecord()).toMatchObject({ service, method: 'tls_client_auth' })
    expect((await post({ client_id: service }, { identity })).status).toBe(200)
    const other = await post({ client_id: 'scheduling' }, { identity })
    expect(other.body['code']).toBe('client_id_differs')
  })

  test('a request is nobody’s on another connection, whoever sent the same on this one', async () => {
    const identity = await clients.issue({ names: ['host.internal'], isClient: true })
    const form = { client_id: 'host' }
    expect((await post(form, { identity })).status).toBe(200)
    expect((await post(form)).body['code']).toBe('credentials_missing')
  })

  test('it reports a token as it asks for one', async () => {
    const identity = await clients.issue({ names: ['host.internal'], isClient: true })
    expect((await post({ token: 'x' }, { identity, path: '/oauth2/report' })).status).toBe(200)
    expect(await lastRecord()).toMatchObject({ service: 'host', action: 'report' })
  })

  test.each<[string, () => Promise<Identity>, string | null]>([
    [
      'of a stranger’s authority',
      async () => (await makeAuthority()).issue({ names: ['host.internal'], isClient: true }),
      'credentials_missing',
    ],
    ['for servers', () => clients.issue({ names: ['host.internal'] }), 'credentials_missing'],
    [
      'that ran out',
      () =>
        clients.issue({
          names: ['host.internal'],
          isClient: true,
          notAfter: new Date('2021-01-01'),
        }),
      'credentials_missing',
    ],
    [
      'of no service',
      () => clients.issue({ names: ['x.internal'], isClient: true }),
      'certificate_unknown',
    ],
    [
      'of two services',
      () => clients.issue({ names: ['host.internal'], uris: [SVID], isClient: true }),
      'certificate_unknown',
    ],
  ])('a certificate %s is nobody', async (_, issue, code) => {
    const { status } = await post({}, { identity: await issue() })
    expect(status).toBe(401)
    expect(await lastRecord()).toMatchObject({ service: null, code })
  })

  test('whoever has no certificate, or a strange one, comes in by secret', async () => {
    const strange = await (await makeAuthority()).issue({ isClient: true })
    const authorization = basic('scheduling', SECRET)
    expect((await post({}, { authorization })).status).toBe(200)
    expect((await post({}, { authorization, identity: strange })).status).toBe(200)
  })

  test('a connection that is resumed without a certificate is nobody', async () => {
    const first = await over()
    const resumed = await over(await first.session)
    expect(resumed.isReused).toBe(true)
    expect(resumed.reply).toMatch(/^HTTP\/1\.1 401 /)
  })
})

/** A request on a socket of our own, without any credential; and the session that it leaves. */
async function over(before?: Buffer) {
  const host = { host: 'localhost', port: Number(new URL(issuer).port), ca: world.ca }
  const socket: TLSSocket = connect({ ...host, ...(before && { session: before }) })
  const session = new Promise<Buffer>(done => socket.once('session', done))
  const body = 'grant_type=client_credentials'
  const type = 'content-type: application/x-www-form-urlencoded'
  socket.write(
    `POST /oauth2/token HTTP/1.1\r\nhost: x\r\n${type}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  let isReused = false
  socket.once('secureConnect', () => {
    isReused = socket.isSessionReused()
  })
  const parts: string[] = []
  socket.on('data', part => parts.push(String(part)))
  const reply = await new Promise<string>((done, fail) =>
    socket.once('close', () => done(parts.join(''))).once('error', fail),
  )
  return { isReused, session, reply }
}

describe('a pod', () => {
  test('has its token, whose key is fetched, and its rate', async () => {
    const asks = async () => post(assertion(await platform.sign(podClaims())))
    expect([(await asks()).status, (await asks()).status, site.fetches]).toEqual([200, 200, 1])
    expect(await lastRecord()).toMatchObject({
      ...{ service: 'pod', method: 'workload_jwt', claimed: 'system:serviceaccount:prod:pod' },
    })
    const calls = world.epic.tokenRequests
    const refused = await asks()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10'])
    expect(refused.body).toMatchObject({ error: 'temporarily_unavailable', code: 'rate_limited' })
    expect(await lastRecord()).toMatchObject({ service: 'pod', code: 'rate_limited' })
    expect(world.epic.tokenRequests).toBe(calls)
    world.clock.advance(10)
    expect((await asks()).status).toBe(200)
  })

  test('has no more of a token than a minute once its key is seen to be withdrawn', async () => {
    const shown = assertion(await platform.sign(podClaims()))
    const statusAfter = async (seconds: number) => {
      world.clock.advance(seconds)
      return (await post(shown)).status
    }
    expect(await statusAfter(10)).toBe(200)
    site.served = setOf(rsaSigner('another'))
    // The set is fetched again behind the back of the first who comes when it is old.
    expect([await statusAfter(601), await statusAfter(59), await statusAfter(2)]).toEqual([
      200, 200, 401,
    ])
    site.served = setOf(platform)
    world.clock.advance(601)
  })

  test('is told when its key set cannot be had, and the operator reads where', async () => {
    world.clock.advance(60)
    site.served = 'out of order'
    const { status, body, headers } = await post(
      assertion(await rsaSigner('new', 1).sign(podClaims())),
    )
    expect([status, body['code']]).toEqual([503, 'caller_keys_unavailable'])
    expect(headers.get('retry-after')).toBe('5')
    expect(world.logged()).toContain(site.url)
    site.served = setOf(platform)
  })
})

test('openid-client signs its own assertions, with nothing but its documented settings', async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const jwk = ecPair('P-256').privateKey.export({ format: 'jwk' })
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  const agent = new Agent({ connect: { ca: world.ca } })
  const skew = Math.floor((world.clock.now() - Date.now()) / 1000)
  const authentication = PrivateKeyJwt({ key, kid: 'mine' })
  const metadata = { [clockSkew]: skew }
  const config = await discovery(new URL(issuer), 'signer', metadata, authentication, {
    algorithm: 'oauth2',
    [customFetch]: (url, options) =>
      send(url, { ...(options as object), dispatcher: agent }) as unknown as Promise<Response>,
  })
  for (let times = 0; times < 3; times++)
    expect((await clientCredentialsGrant(config)).token_type).toBe('bearer')
  expect(await lastRecord()).toMatchObject({ service: 'signer', method: 'private_key_jwt' })
  await agent.close()
})

test('the metadata names what is configured', async () => {
  const { body } = await world.app
    .inject('/.well-known/oauth-authorization-server')
    .then(reply => ({ body: reply.json() }))
  expect(body).toMatchObject({
    token_endpoint_auth_methods_supported: [
      ...['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'],
    ],
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'ES384', 'RS256', 'RS384'],
  })
})
