import { execFile } from 'node:child_process'
import { setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import type { FastifyReply } from 'fastify'
import {
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  clientCredentialsGrant,
  discovery,
  PrivateKeyJwt,
} from 'openid-client'
import { ClientCredentials } from 'simple-oauth2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CLIENT_SECRET, type ClientWorld, makeClientWorld } from '../support/client-world.ts'
import { ecPair } from '../support/keys.ts'
import { PATIENT } from '../support/world.ts'

let world: ClientWorld
beforeAll(async () => {
  world = await makeClientWorld()
  setDefaultCACertificates([world.ca])
})
afterAll(() => world.close())
beforeEach(() => world.sync())

/** What the EHR says to a token. */
const patientWith = async (token: unknown): Promise<number> => {
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(`${world.epic.fhirBase}/Patient/eq081`, { headers })).status
}
const lastRecord = async () => (await world.audit()).at(-1)

describe('openid-client', () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = () => ecPair('P-256').privateKey.toCryptoKey(algorithm, false, ['sign'])
  const METHODS = {
    client_secret_basic: ['scheduling', () => ClientSecretBasic(CLIENT_SECRET)],
    client_secret_post: ['scheduling', () => ClientSecretPost(CLIENT_SECRET)],
    private_key_jwt: ['signer', () => PrivateKeyJwt({ key: key(), kid: 'mine' })],
  } as const
  const discovered = (service: string, authentication = ClientSecretBasic(CLIENT_SECRET)) =>
    discovery(new URL(world.issuer), service, undefined, authentication, { algorithm: 'oauth2' })
  const ask = async (config: Configuration, parameters = {}) =>
    clientCredentialsGrant(config, parameters)

  test.each(Object.entries(METHODS))('discovers us, and comes in by %s', async (...row) => {
    const [method, [service, authentication]] = row
    const config = await discovered(service, authentication())
    expect(config.serverMetadata().token_endpoint_auth_methods_supported).toContain(method)
    for (const parameters of [{ resource: world.epic.fhirBase }, { audience: 'epic' }, {}]) {
      const reply = await ask(config, { scope: PATIENT, ...parameters })
      expect(reply).toMatchObject({ token_type: 'bearer', scope: PATIENT })
      expect(await patientWith(reply.access_token)).toBe(200)
    }
    expect(await lastRecord()).toMatchObject({ decision: 'granted', service, method })
  })

  test('finds where people read, and no endpoint that we do not have', async () => {
    const metadata = (await discovered('scheduling')).serverMetadata()
    expect(metadata.service_documentation).toBe(`${world.issuer}/docs`)
    expect((await fetch(`${world.issuer}/docs`)).status).toBe(200)
    expect(metadata.authorization_endpoint ?? metadata.revocation_endpoint).toBe(undefined)
  })

  test('has our code beside the error that it knows, as the manual says', async () => {
    const config = await discovered('scheduling')
    await expect(ask(config, { audience: 'elsewhere' })).rejects.toMatchObject({
      ...{ error: 'invalid_target', status: 400, cause: { code: 'target_refused' } },
    })
    const stranger = await discovered('scheduling', ClientSecretBasic('wrong'))
    await expect(ask(stranger)).rejects.toMatchObject({ status: 401 })
    expect(await lastRecord()).toMatchObject({ code: 'secret_wrong' })
  })
})

describe('simple-oauth2', () => {
  const clientWith = (options = {}, secret = CLIENT_SECRET) =>
    new ClientCredentials({
      client: { id: 'scheduling', secret },
      auth: { tokenHost: world.issuer, tokenPath: '/oauth2/token' },
      options,
    })

  test.each([
    ['client_secret_basic', 'as it comes', {}],
    ['client_secret_post', 'told so', { authorizationMethod: 'body' }],
  ] as const)('comes in by %s, %s', async (method, _, options) => {
    const { token } = await clientWith(options).getToken({
      ...{ resource: world.epic.fhirBase, scope: [PATIENT] },
    })
    expect(token).toMatchObject({ token_type: 'Bearer', scope: PATIENT })
    expect(await patientWith(token['access_token'])).toBe(200)
    expect(await lastRecord()).toMatchObject({ decision: 'granted', method })
  })

  test('has our code in what it throws, as the manual says', async () => {
    await expect(clientWith().getToken({ audience: 'elsewhere' })).rejects.toMatchObject({
      data: { payload: { error: 'invalid_target', code: 'target_refused' } },
    })
  })
})

test('Authlib has the error, and our code where the EHR is to blame, as the manual says', async () => {
  const down = (_: unknown, reply: FastifyReply) => reply.code(500).send()
  world.clock.advance(3600)
  world.epic.faults.push(down, down, down)
  const program = `
import os
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from requests import HTTPError

session = OAuth2Session(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
for upstream in ["elsewhere", "epic"]:
    try:
        session.fetch_token(os.environ["BROKER"] + "/oauth2/token", grant_type="client_credentials", audience=upstream)
    except OAuthError as error:
        print(error.error, error.description)
    except HTTPError as error:
        print(error.response.json()["code"])`
  const env = { ...world.environment, CLIENT_ID: 'scheduling' }
  const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', program], { env })
  expect(stdout.trim().split('\n')).toEqual([
    'invalid_target This client has no grant at such a target.',
    'upstream_unavailable',
  ])
})
