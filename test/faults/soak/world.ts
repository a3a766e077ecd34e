import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { makeAuthority } from '../../support/certificates.ts'
import { type Chance, chanceFrom } from '../../support/chance.ts'
import { movedClock } from '../../support/clock.ts'
import { freePort } from '../../support/processes.ts'
import { openRedisServer, type Redis } from '../../support/redis-server.ts'
import { makeKey, serveKeySet } from '../../support/world.ts'
import { type Ehrs, openEhrs } from './ehrs.ts'
import type { Name } from './plan.ts'
import { openPolicies, type Policies } from './policies.ts'
import { openReplica, type Replica } from './replica.ts'
import { openTimeline, type Timeline } from './timeline.ts'

/** All that a soak needs, running: two brokers that share a redis-server, and EHRs. */
export interface SoakWorld {
  timeline: Timeline
  chance: Chance
  ehrs: Ehrs
  policies: Policies
  redis: Redis
  replicas: Record<Name, Replica>
  keys: Keys
  /** Gives every broker the policy that is in force, with a signal or without. */
  configure: (isTold: boolean) => void
  close: () => Promise<void>
}

export interface Keys {
  /** Kids, the oldest first. */
  all: () => readonly string[]
  /** Makes and publishes one more. */
  add: () => void
  /** Takes the private half of the oldest away; `publish` is for afterwards. */
  withdraw: () => { publish: () => void }
}

const ALG = 'ES384'
/** Seconds. */
const [GUARD, WATCH] = [2, 3]

export async function openWorld(seed: number): Promise<SoakWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-soak-'))
  const chance = chanceFrom(seed)
  const timeline = openTimeline(() => performance.now())
  const authority = await makeAuthority()
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  writeFileSync(join(folder, 'shared.secret'), randomBytes(32), { mode: 0o600 })
  const keys: string[] = [makeKey(folder, ALG)]
  const gone: string[] = []
  const site = await serveKeySet(folder, await authority.issue())
  const jwksUrl = `${site.origin}/jwks.json`
  const redis = await openRedisServer({ folder })
  const ehrs = await openEhrs({ authority, jwksUrl, timeline, chance: chanceFrom(seed + 1) })
  const policies = openPolicies(ehrs.hospitals, chanceFrom(seed + 2))
  const open = async (name: Name): Promise<Replica> =>
    openReplica({ name, folder, timeline, issuer: `http://127.0.0.1:${await freePort()}` })
  const replicas = { a: await open('a'), b: await open('b') }
  const configOf = ({ name, issuer }: Replica): string =>
    stringify({
      ...{ issuer, admin: { socket: `${name}.sock` }, audit: { file: `${name}.ndjson` } },
      listen: {
        ...{ port: Number(new URL(issuer).port), behindProxy: true },
        trustedProxies: ['127.0.0.1'],
      },
      ...{ state: `${name}-state`, sharedCache: { url: redis.url, secrets: ['shared.secret'] } },
      keys: {
        nonprod: {
          folder: 'private',
          jwksUrl,
          ca: 'ca.pem',
          family: 4,
          guard: GUARD,
          watch: WATCH,
        },
      },
      ...policies.file(),
    })
  const both = Object.values(replicas)
  const configure = (isTold: boolean): void => {
    for (const each of both) each.write(configOf(each), policies.written(), isTold)
  }
  configure(false)
  await Promise.all(both.map(each => each.launch()))
  return {
    ...{ timeline, chance, ehrs, policies, redis, replicas, configure },
    keys: {
      all: () => keys,
      add: () => {
        const clock = movedClock(Date.now())
        keys.push(makeKey(folder, ALG, clock))
        site.publish(...gone)
      },
      withdraw: () => {
        const kid = keys.shift() ?? ''
        gone.push(kid)
        const [file] = readdirSync(join(folder, 'private')).filter(name => name.startsWith(kid))
        rmSync(join(folder, 'private', file ?? ''))
        return { publish: () => site.publish(...gone) }
      },
    },
    close: async () => {
      await Promise.all(both.map(each => each.close()))
      await redis.kill()
      await ehrs.stop()
      await site.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
