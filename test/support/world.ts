import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import { buildApp } from '../../broker/app.ts'
import { type Audit, type AuditRecord, openAuditFile } from '../../broker/audit.ts'
import type { Broker } from '../../broker/broker.ts'
import { readConfig } from '../../broker/config.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { openStateFolder } from '../../broker/keys/state-file.ts'
import { loadSigners } from '../../broker/signers.ts'
import { NO_TRACES, type Traces } from '../../broker/traces.ts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { serializeKeySet } from '../../keys-pipeline/key-set.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { buildServer } from '../../keys-pipeline/serve.ts'
import { LocalEpic } from '../sandbox/local-epic.ts'
import { type Authority, makeAuthority } from './certificates.ts'
import { type MovedClock, movedClock } from './clock.ts'
import { holdToDocument } from './documented.ts'
import { SET_URL } from './keys.ts'

export const SECRET = 'a-secret-of-the-scheduling-service'
export const PATIENT = 'system/Patient.read'
export const COVERAGE = 'system/Coverage.read'

type Upstreams = ConfigFile['upstreams']
type Services = ConfigFile['services']

export interface WorldOptions {
  alg?: Alg
  /** Seconds. */
  tokenLife?: number
  delay?: number
  /** Made from what an upstream needs to reach the local Epic. */
  upstreams?: (base: Upstreams[string]) => Upstreams
  services?: Services
  /** In place of the audit file. */
  audit?: Audit
  chance?: number
  traces?: Traces
  /** Nothing of the state is kept, so that another process can have its folder. */
  stateless?: boolean
  /** Changes the config before it is written, and puts files beside it. */
  prepare?: (
    file: ConfigFile,
    folder: string,
    authority: Authority,
    jwksUrl: string,
  ) => Promise<void>
}

/** A broker with a real config file, real keys, a served key set and a local Epic that has the URL registered. */
export interface World {
  folder: string
  clock: MovedClock
  epic: LocalEpic
  app: FastifyInstance
  /** The operator's listener. */
  admin: FastifyInstance
  /** The listener for browsers, where the config has it. */
  launch: FastifyInstance | null
  take: Broker['take']
  ticks: Broker['ticks']
  jwksUrl: string
  /** Serves the public keys that are in the folder now, but those. */
  publish: (...without: string[]) => void
  ca: string
  kid: string
  ask: (
    form?: Record<string, string> | string,
    authorization?: string | null,
  ) => Promise<LightMyRequestResponse>
  audit: () => Promise<AuditRecord[]>
  /** Everything the broker has logged. */
  logged: () => string
  close: () => Promise<void>
}

export const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-test-'))
  const clock = movedClock()
  const kid = makeKey(folder, options.alg ?? 'ES384', clock)
  const authority = await makeAuthority()
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  const site = await serveKeySet(folder, await authority.issue())
  const jwksUrl = `${site.origin}/jwks.json`
  const epic = new LocalEpic({
    tls: await authority.issue(),
    ca: authority.ca,
    now: clock.now,
    tokenLife: options.tokenLife ?? 3600,
    delay: options.delay ?? 0,
  })
  await epic.start()
  for (const [clientId, scopes] of [
    ['app-patients', [PATIENT]],
    ['app-both', [PATIENT, COVERAGE]],
  ] as const) {
    await epic.register({ clientId, environment: 'nonprod', jwksUrl, scopes })
  }
  const file = configFile(folder, epic, options)
  await options.prepare?.(file, folder, authority, jwksUrl)
  const path = join(folder, 'broker.yaml')
  writeFileSync(path, stringify(file))
  const config = readConfig(path)
  const logs: string[] = []
  const stream = new Writable({ write: (chunk, _, done) => done(void logs.push(String(chunk))) })
  const { signers, complaints } = await loadSigners(config)
  if (complaints.length > 0) throw new Error(JSON.stringify(complaints))
  const states = options.stateless
    ? { drawerOf: () => ({ load: () => null, save: () => {} }), close: () => {} }
    : openStateFolder(config.state, {
        now: clock.now,
        onSetAside: facts => logs.push(JSON.stringify(facts)),
      })
  const { app, admin, launch, take, ticks } = buildApp(config, {
    clock: clock.clock,
    chance: () => options.chance ?? 0,
    wait: async milliseconds => clock.advance(milliseconds / 1000),
    proxy: null,
    audit: options.audit ?? openAuditFile(config.audit.file, { sync: false }),
    log: pino(stream),
    signers,
    states,
    host: 'test',
    traces: options.traces ?? NO_TRACES,
  })
  const undocumented = config.listen.docs ? holdToDocument(app) : () => []
  return {
    ...{
      folder,
      clock,
      epic,
      app,
      admin,
      launch,
      take,
      ticks,
      jwksUrl,
      publish: site.publish,
      kid,
      ca: authority.ca,
    },
    ask: askOf(app),
    audit: async () => lines(await readFile(config.audit.file, 'utf8')),
    logged: () => logs.join(''),
    close: async () => {
      await launch?.close()
      await app.close()
      states.close()
      await epic.stop()
      await site.close()
      rmSync(folder, { recursive: true })
      if (undocumented().length > 0) throw new Error(undocumented().join('\n'))
    },
  }
}

const lines = (text: string): AuditRecord[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

/** A key pair in `folder`, as `keys generate` makes it. */
export function makeKey(
  folder: string,
  alg: Alg,
  clock: MovedClock = movedClock(),
  bits = 2048,
): string {
  const { kid } = generateKey(
    { alg, bits, privateFolder: join(folder, 'private') },
    {
      keys: join(folder, 'keys'),
      environment: 'nonprod',
      url: SET_URL,
      role: 'signer',
      now: clock.now(),
      show: path => path,
    },
  )
  return kid
}

function askOf(app: FastifyInstance): World['ask'] {
  return (form = {}, authorization = basic('scheduling', SECRET)) =>
    app.inject({
      method: 'POST',
      url: '/oauth2/token',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization !== null && { authorization }),
      },
      payload:
        typeof form === 'string'
          ? form
          : new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString(),
    })
}

/** The public keys below `folder`, served as GitHub Pages would; `publish` serves what is there by then. */
export async function serveKeySet(folder: string, tls: { cert: string; key: string }) {
  const site = new Map<string, string>()
  const publish = (...without: string[]): void => {
    const { environments } = judgeKeys(join(folder, 'keys'), path => path)
    const keys = environments.nonprod.keys.filter(({ jwk }) => !without.includes(jwk.kid))
    site.set('jwks.json', serializeKeySet(keys))
  }
  publish()
  const server = await buildServer(() => site, {
    cache: CACHE.published,
    tls: { cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) },
    now: () => 0,
    log: () => {},
  })
  const origin = (await server.listen({ host: '127.0.0.1', port: 0 })).replace(
    '127.0.0.1',
    'localhost',
  )
  return { origin, publish, close: () => server.close() }
}

function configFile(
  folder: string,
  epic: LocalEpic,
  { upstreams, services }: WorldOptions,
): ConfigFile {
  const base: Upstreams[string] = {
    fhirBase: epic.fhirBase,
    tokenEndpoint: epic.tokenUrl,
    clientId: 'app-patients',
    environment: 'nonprod',
    profile: 'epic',
    scopes: [PATIENT],
    ca: 'ca.pem',
  }
  const alg =
    judgeKeys(join(folder, 'keys'), path => path).environments.nonprod.keys[0]?.jwk.alg ?? 'ES384'
  return {
    issuer: 'http://127.0.0.1:8400',
    listen: { port: 0 },
    audit: { file: 'audit.ndjson' },
    keys: { nonprod: { folder: 'private' } },
    upstreams: upstreams?.({ ...base, alg }) ?? { epic: { ...base, alg } },
    services: services ?? {
      scheduling: {
        secretSha256: [secretHash(SECRET)],
        grants: [{ upstream: 'epic', scopes: [PATIENT] }],
      },
    },
  }
}
