import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from 'redis'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import type { KeyState } from '../../broker/keys/state.ts'
import { readOnly } from '../../broker/keys/state-file.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { KEYS_FOLDER } from '../../keys-pipeline/github/key-changes.ts'
import { LocalEpic } from '../sandbox/local-epic.ts'
import { makeAuthority } from './certificates.ts'
import { type MovedClock, movedClock } from './clock.ts'
import { GitHubServer, REPOSITORY } from './github-server.ts'
import { asIs, folderWith } from './keys.ts'
import { type MovedBroker, startMoved } from './moved-process.ts'
import { Pages } from './pages.ts'
import { freePort } from './processes.ts'
import { type PublisherCi, publisherCi } from './publisher-ci.ts'
import type { Redis } from './redis-server.ts'
import { basic, PATIENT, SECRET } from './world.ts'

const PATH = 'nonprod/.well-known/jwks.json'
const ALG = 'ES256'
/** Seconds. Every step needs an assertion of its own. */
const TOKEN_LIFE = 60

/** Seconds. */
const TICK = 5

/** One token that was asked for. */
export interface HandOut {
  broker: string
  upstream: string
  status: number
  /** The key that it was had with. */
  kid: string
}

/** Rotations in real processes: everything but GitHub, its Pages and the EHRs is ours as it runs. */
export interface RotationWorld {
  folder: string
  clock: MovedClock
  github: GitHubServer
  pages: Pages
  ci: PublisherCi
  epics: LocalEpic[]
  brokers: Map<string, MovedBroker>
  /** A broker of that name, begun or begun again. */
  start: (name: string, kill?: Readonly<Record<string, string>>) => Promise<void>
  /** So much later everybody has done what is due, and every service has asked every broker. */
  pass: (seconds: number) => Promise<HandOut[]>
  /** The service asks that broker for a token of that upstream now. */
  ask: (broker: string, upstream: string) => Promise<HandOut>
  /** All hand-outs so far. */
  handOuts: HandOut[]
  /** The refusals in the logs of the EHRs, with their true reasons. */
  refused: () => unknown[]
  /** What a broker has saved. */
  state: (name: string) => KeyState
  /** Names of private keys that lie there. */
  privateKeys: (below?: string) => string[]
}

export interface WorldOptions {
  /** What brokers share, whose time is moved too. */
  redis?: Redis
  rotation?: Partial<NonNullable<ConfigFile['rotation']>>
  edit?: (file: ConfigFile) => void
}

/** With a first key that is published; until the test ends. No broker runs yet. */
export async function rotationWorld(options: WorldOptions = {}): Promise<RotationWorld> {
  const clock = movedClock()
  const authority = await makeAuthority()
  const pages = await new Pages(await authority.issue(), clock.now).start()
  const github = await new GitHubServer().start()
  const url = `${pages.url}/${PATH}`
  const folder = folderWith({ 'ca.pem': authority.ca })
  for (const name of ['private', 'standby']) mkdirSync(join(folder, name), { mode: 0o700 })
  writeFileSync(join(folder, 'github.token'), 'a-secret-token', { mode: 0o600 })
  writeFileSync(join(folder, 'shared.secret'), randomBytes(32), { mode: 0o600 })
  generateKey(
    { alg: ALG, bits: 0, privateFolder: join(folder, 'private') },
    {
      ...{ keys: join(folder, 'keys'), environment: 'nonprod', url },
      ...{ role: 'signer', now: clock.now(), show: asIs },
    },
  )
  github.git.commit(firstCommit(folder, pages.url))
  const ci = publisherCi({ github, pages, ca: authority.ca, now: clock.now })
  const epics = await Promise.all(
    [1, 2].map(async () => {
      const tls = await authority.issue()
      return new LocalEpic({
        ...{ tls, ca: authority.ca, now: clock.now, tokenLife: TOKEN_LIFE },
      }).start()
    }),
  )
  for (const epic of epics)
    for (const clientId of ['app', 'quiet-app'])
      await epic.register({ clientId, environment: 'nonprod', jwksUrl: url, scopes: [PATIENT] })
  const brokers = new Map<string, MovedBroker>()
  const issuers = new Map<string, string>()
  onTestFinished(async () => {
    await Promise.all([...brokers.values()].map(each => each.stop('SIGKILL')))
    await Promise.all([...epics, github, pages].map(each => each.stop()))
  })
  const age = options.redis ? await agerOf(options.redis) : async () => {}
  const configFor = async (name: string): Promise<string> => {
    const issuer = `http://127.0.0.1:${await freePort()}`
    issuers.set(name, issuer)
    const file = configFile(issuer, name, { url, github, epics, ...options })
    writeFileSync(join(folder, `${name}.yaml`), stringify(file))
    return issuer
  }
  const handOuts: HandOut[] = []
  const ask = async (broker: string, upstream: string): Promise<HandOut> => {
    const reply = await fetch(`${issuers.get(broker)}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: basic('scheduling', SECRET) },
      body: new URLSearchParams({ grant_type: 'client_credentials', audience: upstream }),
    })
    await reply.text()
    const kid = lastKid(join(folder, `${broker}.ndjson`))
    handOuts.push({ broker, upstream, status: reply.status, kid })
    return { broker, upstream, status: reply.status, kid }
  }
  /** Who is first has the token from the EHR, in turn. */
  const askAll = async (): Promise<HandOut[]> => {
    const asked: HandOut[] = []
    const names = [...brokers.keys()]
    if (handOuts.length % (4 * names.length) > 0) names.reverse()
    for (const upstream of ['a', 'b'])
      for (const broker of names) asked.push(await ask(broker, upstream))
    return asked
  }
  const move = async (seconds: number): Promise<void> => {
    clock.advance(seconds)
    github.now = clock.now()
    await age(seconds * 1000)
    await Promise.all([...brokers.values()].map(each => each.moveTo(clock.now())))
  }
  return {
    ...{ folder, clock, github, pages, ci, epics, brokers, handOuts, ask },
    start: async (name, kill) => {
      if (!existsSync(join(folder, `${name}.yaml`))) await configFor(name)
      brokers.set(name, await startMoved(folder, `${name}.yaml`, clock.now(), kill))
    },
    pass: async seconds => {
      await move(seconds - 2 * TICK)
      await ci.step()
      // A file that has changed is taken once it has not changed for a tick.
      for (let tick = 0; tick < 2; tick++) await move(TICK)
      return askAll()
    },
    refused: () => epics.flatMap(({ log }) => log.filter(({ reason }) => reason !== 'granted')),
    state: name => {
      const saved = readOnly(join(folder, `${name}-state`))('nonprod').load()
      if (saved === null) throw new Error(`${name} has saved nothing`)
      return saved.state
    },
    privateKeys: (below = '') => {
      const place = join(folder, 'private', below)
      return existsSync(place) ? readdirSync(place).filter(name => name.endsWith('.jwk.json')) : []
    },
  }
}

/** Takes so many milliseconds off the life of all that is in the store, as if they had passed there. */
async function agerOf({ url }: Redis): Promise<(milliseconds: number) => Promise<unknown>> {
  const client = createClient({ url })
  await client.connect()
  onTestFinished(() => client.destroy())
  const script = `for _, key in ipairs(redis.call('keys', '*')) do
    redis.call('pexpire', key, math.max(0, redis.call('pttl', key) - ARGV[1]))
  end`
  return milliseconds => client.eval(script, { arguments: [`${milliseconds}`] })
}

function firstCommit(folder: string, baseUrl: string): Record<string, string> {
  const place = join(folder, 'keys', 'nonprod')
  mkdirSync(place, { recursive: true })
  return {
    [`${KEYS_FOLDER}/production/.gitkeep`]: '',
    'keys-pipeline/publisher.yaml': stringify({
      baseUrl,
      environments: { nonprod: { path: PATH }, production: { path: '.well-known/jwks.json' } },
      guard: { live: 1200, retired: 1500 },
    }),
    ...Object.fromEntries(
      readdirSync(place).map(name => [
        `${KEYS_FOLDER}/nonprod/${name}`,
        readFileSync(join(place, name), 'utf8'),
      ]),
    ),
  }
}

function configFile(
  issuer: string,
  name: string,
  {
    url,
    github,
    epics,
    rotation,
    edit,
    redis,
  }: { url: string; github: GitHubServer; epics: LocalEpic[] } & WorldOptions,
): ConfigFile {
  const upstream = (epic: LocalEpic | undefined, clientId: string) => ({
    ...{ fhirBase: epic?.fhirBase ?? '', tokenEndpoint: epic?.tokenUrl ?? '', clientId },
    ...{ environment: 'nonprod' as const, profile: 'epic' as const, alg: ALG as 'ES256' },
    ...{ scopes: [PATIENT], ca: 'ca.pem' },
  })
  const file: ConfigFile = {
    ...{ issuer, listen: { port: Number(new URL(issuer).port) } },
    ...{ admin: { socket: `${name}.sock` }, audit: { file: `${name}.ndjson` } },
    keys: {
      nonprod: {
        ...{ folder: 'private', standbyFolder: 'standby', jwksUrl: url, ca: 'ca.pem', family: 4 },
      },
    },
    rotation: {
      github: { repository: REPOSITORY, tokenFile: 'github.token', baseUrl: github.url },
      ...rotation,
    },
    ...(redis && { sharedCache: { url: redis.url, secrets: ['shared.secret'] } }),
    upstreams: {
      a: upstream(epics[0], 'app'),
      b: upstream(epics[1], 'app'),
      // Which no service asks for.
      quiet: upstream(epics[1], 'quiet-app'),
    },
    services: {
      scheduling: {
        secretSha256: [secretHash(SECRET)],
        grants: ['a', 'b', 'quiet'].map(each => ({ upstream: each, scopes: [PATIENT] })),
      },
    },
  }
  edit?.(file)
  return file
}

const lastKid = (file: string): string => {
  const last = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '{}'
  return JSON.parse(last).granted?.kid ?? ''
}
