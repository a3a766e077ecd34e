import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openPublisher } from '../../broker/keys/publish.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { LIFECYCLE_FILE, type Lifecycle } from '../../keys-pipeline/lifecycle.ts'
import { type MovedClock, movedClock } from './clock.ts'
import { type Files, type GitHubServer, REPOSITORY, UNPACED } from './github-server.ts'
import { asIs, folderWith } from './keys.ts'
import {
  ALG,
  type Engine,
  type EngineOptions,
  GUARD,
  NONPROD,
  openEngine,
  publicKeysIn,
  URL_OF_SET,
} from './rotation-engine.ts'

type Options = Partial<Pick<EngineOptions, 'rules' | 'makePair' | 'isBlind'>> & {
  github: GitHubServer | null
}

export interface RotationRoom extends Engine {
  folder: string
  clock: MovedClock
  /** The kid of each key in the branch that is published from. */
  live: () => string[]
}

export const FIRST = 'first-key'

/** A folder with the first key, private and public half. */
export function keyFolder(): string {
  const folder = folderWith({ 'standby/.keep': '' })
  generateKey(
    { alg: ALG, bits: 0, kid: FIRST, privateFolder: join(folder, 'private') },
    {
      ...{ keys: join(folder, 'keys'), environment: 'nonprod', url: URL_OF_SET },
      ...{ role: 'signer', now: 0, show: asIs },
    },
  )
  return folder
}

/** The default branch as the folder of public keys has it. */
export function committed(folder: string): Record<string, string> & Files {
  const place = join(folder, 'keys', 'nonprod')
  return Object.fromEntries(
    readdirSync(place).map(name => [`${NONPROD}/${name}`, readFileSync(join(place, name), 'utf8')]),
  )
}

export const lifecycleIn = (files: Readonly<Record<string, string>>): Lifecycle =>
  JSON.parse(files[`${NONPROD}/${LIFECYCLE_FILE}`] ?? '{"keys":{}}').keys

/** With the first key in it, live since now; until the test ends. */
export function rotationRoom({ github, ...options }: Options): RotationRoom {
  const [folder, clock] = [keyFolder(), movedClock()]
  const first = committed(folder)
  github?.git.commit(first)
  const published = () => github?.git.files('main') ?? first
  const engine = openEngine({
    ...{ folder, clock, published, ...options },
    publisher:
      github &&
      openPublisher(
        {
          ...{ repository: REPOSITORY, baseUrl: github.url, fetch: globalThis.fetch },
          throttle: UNPACED.throttle,
        },
        async () => 'a-token',
      ),
  })
  onTestFinished(engine.stop)
  return {
    ...{ ...engine, folder, clock },
    live: () => publicKeysIn(published()).map(({ jwk }) => jwk.kid),
  }
}

/** The first key is live and proven, and every hospital has taken it. */
export function settledRoom(options: Options): RotationRoom {
  const room = rotationRoom(options)
  room.clock.advance(GUARD)
  room.look()
  room.accept()
  return room
}

/** What was proposed is merged, live, and proven. */
export function prove(room: RotationRoom, github: GitHubServer): void {
  merge(github, room.clock.now())
  room.look()
  room.clock.advance(GUARD)
  room.look()
}

/** From the order to where the new key signs everywhere. */
export async function switchOver(room: RotationRoom, github: GitHubServer): Promise<void> {
  await room.orders.rotate('nonprod', null)
  await room.tick(2)
  prove(room, github)
  await room.tick(3)
}

/** People merge every pull request that is open. */
export function merge({ git, pulls }: GitHubServer, at: number): void {
  for (const pull of pulls.filter(({ state }) => state === 'open')) {
    git.refs.set('heads/main', git.refs.get(`heads/${pull.head}`) ?? '')
    Object.assign(pull, { state: 'closed', merged_at: new Date(at).toISOString() })
  }
}
