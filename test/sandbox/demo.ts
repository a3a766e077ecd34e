import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import * as oauth from 'openid-client'
import { Agent, request } from 'undici'
import { secretHash } from '../../broker/access/secrets.ts'
import { makeAuthority } from '../support/certificates.ts'
import { say, step } from '../support/console.ts'
import {
  BROKER_CLI,
  BROKER_MAIN,
  freePort,
  KEYS_CLI,
  type Running,
  run,
  start,
} from '../support/processes.ts'
import { demoConfig, demoSettings, PEOPLES_APP } from './demo-config.ts'
import { letPeopleIn } from './demo-people.ts'
import { LocalEpic } from './local-epic.ts'

/** The whole road on one machine: keys → key set → local Epic → broker → two services → a Patient. */
async function demo(folder: string, running: Running[], stay: boolean): Promise<void> {
  const at = (...path: string[]): string => join(folder, ...path)
  say('Lockstep, the whole road: from a new key to a patient’s record, with a local Epic.\n')

  say('Publish')
  const authority = await step('a certificate authority for this demo', async () => {
    const made = await makeAuthority()
    const { cert, key } = await made.issue()
    await Promise.all([
      writeFile(at('ca.pem'), made.ca),
      writeFile(at('site.crt'), cert),
      writeFile(at('site.key'), key, { mode: 0o600 }),
    ])
    return made
  })
  for (const environment of ['nonprod', 'production']) {
    await step(`a key pair for ${environment}: private half 0600, public half to commit`, () =>
      keys(
        'generate',
        '--environment',
        environment,
        '--keys',
        at('keys'),
        '--private-folder',
        at('private', environment),
      ),
    )
  }
  const sitePort = await freePort()
  const site = `https://localhost:${sitePort}`
  await writeFile(at('publisher.yaml'), demoSettings(site))
  await step('the site, built from the public keys', () =>
    keys('build', '--keys', at('keys'), '--out', at('site'), '--settings', at('publisher.yaml')),
  )
  await step(`the site, served over HTTPS at ${site}`, async () => {
    const tls = ['--cert', at('site.crt'), '--tls-key', at('site.key')]
    running.push(
      await start(
        KEYS_CLI,
        ['serve', '--out', at('site'), '--port', `${sitePort}`, ...tls],
        /serving/,
      ),
    )
  })

  say('\nRegister')
  const epic = await new LocalEpic({ tls: await authority.issue(), ca: authority.ca }).start()
  running.push({
    output: () => '',
    signal: () => {},
    stop: async () => epic.stop().then(() => ({ code: 0, signal: null, stdout: '', stderr: '' })),
  })
  const jwksUrl = `${site}/nonprod/.well-known/jwks.json`
  await step(
    'two apps at the local Epic, which fetches the URL as Epic does (TLS, public, no sign-in)',
    async () => {
      await epic.register({
        clientId: 'app-patients',
        environment: 'nonprod',
        jwksUrl,
        scopes: ['system/Patient.read'],
      })
      await epic.register({
        clientId: 'app-coverage',
        environment: 'nonprod',
        jwksUrl,
        scopes: ['system/Coverage.read'],
      })
    },
  )
  await step(
    'a third app, registered with the non-production URL though it signs with the production key',
    () =>
      epic.register({
        clientId: 'app-mixed-up',
        environment: 'nonprod',
        jwksUrl,
        scopes: ['system/Patient.read'],
      }),
  )
  const publicUrl = `http://127.0.0.1:${await freePort()}`
  await step('an app that people start, with its one redirect URI', () =>
    epic.register({
      ...{ clientId: PEOPLES_APP, environment: 'nonprod', jwksUrl },
      scopes: ['patient/Patient.read'],
      userSide: {
        redirectUris: [`${publicUrl}/oauth/epic-patients-callback`],
        ...{ launchUrl: `${publicUrl}/oauth/epic-patients-launch`, isPersistent: true },
      },
    }),
  )

  say('\nBroker')
  await writeFile(at('seal'), randomBytes(32), { mode: 0o600 })
  const scheduling = await step('a secret for each of two services', () => newSecret())
  const billing = await newSecret()
  const issuer = `http://127.0.0.1:${await freePort()}`
  await writeFile(
    at('broker.yaml'),
    demoConfig({
      issuer,
      site,
      epic,
      scheduling: secretHash(scheduling),
      billing: secretHash(billing),
      publicUrl,
    }),
  )
  await step(`the broker at ${issuer}`, async () => {
    running.push(await start(BROKER_MAIN, ['--config', at('broker.yaml')], /"msg":"ready"/))
  })

  say('\nUse (with openid-client, an ordinary OAuth library)')
  const token = await step('scheduling asks for the FHIR base and gets a token for Patient', () =>
    ask(issuer, 'scheduling', scheduling, { resource: epic.fhirBase, audience: 'epic-patients' }),
  )
  await step(
    'scheduling asks again and gets it from the cache: one call to Epic so far',
    async () => {
      await ask(issuer, 'scheduling', scheduling, { audience: 'epic-patients' })
      if (epic.tokenRequests !== 1) throw new Error(`${epic.tokenRequests} calls`)
    },
  )
  await step('scheduling reads a Patient from the local FHIR server', async () => {
    const patient = await readPatient(epic, authority.ca, token)
    if (patient !== 200) throw new Error(`status ${patient}`)
  })
  const other = await step('billing gets a token of its own, for Coverage', () =>
    ask(issuer, 'billing', billing, { audience: 'epic-coverage' }),
  )
  await step(
    'billing’s token cannot read a Patient: another client ID, so Epic says 403',
    async () => {
      const patient = await readPatient(epic, authority.ca, other)
      if (patient !== 403) throw new Error(`status ${patient}`)
    },
  )

  say('\nRefuse')
  await refusal(
    issuer,
    billing,
    'billing asks for the Patient app, which policy does not give it',
    'epic-patients',
    'target_refused',
  )
  await refusal(
    issuer,
    billing,
    'Epic refuses the mixed-up app and says no more than invalid_client',
    'epic-mixed-up',
    'upstream_invalid_client',
  )
  const truth = epic.log.findLast(entry => entry.reason !== 'granted')
  say(
    `    Epic’s own log has the true reason: ${truth?.reason}. The key that signed is not in the set at the`,
  )
  say(
    '    URL that was registered; the fix is to register the production URL for an app that signs with it.',
  )

  say('\nLet people in (a browser without a screen; the clicks are scripted)')
  await letPeopleIn({ issuer, epic, publicUrl, ca: authority.ca, scheduling })

  say(`\nDone. ${epic.tokenRequests} calls reached Epic; every decision is in the audit file.`)
  if (stay) await waitForInterrupt({ site, issuer, epic, publicUrl, folder })
}

async function keys(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(KEYS_CLI, args)
  if (code !== 0) throw new Error(`keys ${args[0]} ended with ${code}\n${stdout}${stderr}`)
}

async function newSecret(): Promise<string> {
  const { stdout } = await run(BROKER_CLI, ['service-secret', '--json'])
  return JSON.parse(stdout).secret
}

/** As any service would: discovery by RFC 8414, then a client credentials grant. */
async function ask(
  issuer: string,
  service: string,
  secret: string,
  parameters: Record<string, string>,
): Promise<string> {
  const client = await oauth.discovery(
    new URL(issuer),
    service,
    undefined,
    oauth.ClientSecretBasic(secret),
    {
      algorithm: 'oauth2',
      execute: [oauth.allowInsecureRequests],
    },
  )
  const { access_token: token } = await oauth.clientCredentialsGrant(client, parameters)
  return token
}

async function refusal(
  issuer: string,
  secret: string,
  what: string,
  audience: string,
  code: string,
): Promise<void> {
  const error = await step(what, async () => {
    const thrown = await ask(issuer, 'billing', secret, { audience }).then(
      () => null,
      error => error,
    )
    const body = thrown instanceof oauth.ResponseBodyError ? thrown.cause : await bodyOf(thrown)
    if (body['code'] !== code) throw new Error(`expected ${code}, got ${JSON.stringify(body)}`)
    return body
  })
  say(`    ${error['error']} · ${error['code']} · ${error['error_description']}`)
}

/** openid-client keeps a 5xx as the raw response. */
async function bodyOf(thrown: unknown): Promise<Record<string, unknown>> {
  const { cause } = thrown as { cause?: unknown }
  return cause instanceof Response ? ((await cause.json()) as Record<string, unknown>) : {}
}

async function readPatient(epic: LocalEpic, ca: string, token: string): Promise<number> {
  const dispatcher = new Agent({ connect: { ca } })
  const headers = { authorization: `Bearer ${token}`, accept: 'application/fhir+json' }
  const { statusCode, body } = await request(`${epic.fhirBase}/Patient/erXuFYUfucBZaryVksYEcMg3`, {
    headers,
    dispatcher,
  })
  await body.dump()
  await dispatcher.close()
  return statusCode
}

async function waitForInterrupt({
  site,
  issuer,
  epic,
  publicUrl,
  folder,
}: {
  site: string
  issuer: string
  epic: LocalEpic
  publicUrl: string
  folder: string
}): Promise<void> {
  say('\nStill running (Ctrl-C stops and removes everything):')
  say(`  published keys   ${site}/`)
  say(`  key sets         ${site}/.well-known/jwks.json   ${site}/nonprod/.well-known/jwks.json`)
  say(`  broker           ${issuer}/.well-known/oauth-authorization-server`)
  say(`  local Epic       ${epic.fhirBase}`)
  say(`  log in           ${publicUrl}/oauth/epic-patients-authorize   (camila, password sandbox)`)
  say(
    `  ... and then     ${publicUrl}/oauth/epic-patients-status   (the app’s own page is made up)`,
  )
  say(`  a chart          ${epic.chartUrl(PEOPLES_APP)}`)
  say(`  files            ${folder}   (trust ca.pem to open the https pages)`)
  setInterval(() => {}, 60_000)
  await new Promise(() => {})
}

const folder = await mkdtemp(join(tmpdir(), 'lockstep-demo-'))
const running: Running[] = []
const stay = process.argv.includes('--stay')

async function cleanUp(): Promise<void> {
  for (const each of running.splice(0).reverse()) await each.stop()
  await rm(folder, { recursive: true, force: true })
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().then(() => process.exit(stay ? 0 : 130)))
}
try {
  await demo(folder, running, stay)
} catch (error) {
  say(`\n${error instanceof Error ? error.message : error}`)
  for (const each of running) say(each.output())
  process.exitCode = 1
}
await cleanUp()
