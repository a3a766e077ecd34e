import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Controller, openController } from '../../broker/keys/controller.ts'
import { type EnvironmentKeys, openEnvironment } from '../../broker/keys/environment.ts'
import type { UpstreamFacts } from '../../broker/keys/key-facts.ts'
import type { MakePair } from '../../broker/keys/make-key.ts'
import type { Note } from '../../broker/keys/notes.ts'
import { type Orders, openOrders } from '../../broker/keys/orders.ts'
import { openPublisher, type Publisher } from '../../broker/keys/publish.ts'
import { loadSigningKeys } from '../../broker/keys/signing-keys.ts'
import { openStateFolder } from '../../broker/keys/state-file.ts'
import type { RotationRules } from '../../broker/keys/wishes.ts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { generateKey } from '../../keys-pipeline/generate.ts'
import { KEYS_FOLDER } from '../../keys-pipeline/github/key-changes.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { newPairBeside } from '../../keys-pipeline/key-pair.ts'
import { LIFECYCLE_FILE, type Lifecycle } from '../../keys-pipeline/lifecycle.ts'
import { type MovedClock, movedClock } from './clock.ts'
import { type Files, type GitHubServer, REPOSITORY, UNPACED } from './github-server.ts'
import { asIs, fill, folderWith, published, SET_URL } from './keys.ts'

export const ALG: Alg = 'ES256'
export const GUARD = 1200
/** Seconds after which a key that has stopped signing has rested. */
export const REST = GUARD + 5 * 60 + 1
const NONPROD = `${KEYS_FOLDER}/nonprod`

interface Options {
  github?: GitHubServer | null
  rules?: Partial<RotationRules>
  upstreams?: readonly string[]
  /** Where it was before, to go on as after a restart. */
  folder?: string
  clock?: MovedClock
  makePair?: MakePair
  /** The watch has not looked yet. */
  isBlind?: boolean
}

/** A rotation with real keys, files and pull requests, whose time, people and hospitals a test plays. */
export interface RotationRoom {
  folder: string
  clock: MovedClock
  keys: EnvironmentKeys
  controller: Controller
  orders: Orders
  /** What the log was told, in order. */
  told: { level: string; facts: Record<string, unknown>; message: string }[]
  /** Takes what is in the key folders, as a reload does. */
  reload: () => void
  /** Looks at the set as the default branch has it. */
  look: () => void
  /** A reload and a tick, so often; time stands. */
  tick: (times?: number) => Promise<void>
  /** The kid of each key in the branch that is published from. */
  live: () => string[]
  lifecycle: () => Lifecycle
  /** Names of files in the folder of private keys, and in the one below it. */
  files: (below?: string) => string[]
  codes: () => Note['code'][]
  /** As when the process ends, with whatever was saved. */
  stop: () => void
}

export const FIRST = 'first-key'

/** A folder with the first key, private and public half. */
export function keyFolder(kids: readonly string[] = [FIRST], now = 0): string {
  const folder = folderWith({ 'standby/.keep': '', 'private/.keep': '' })
  for (const kid of kids)
    generateKey(
      { alg: ALG, bits: 0, kid, privateFolder: join(folder, 'private') },
      {
        keys: join(folder, 'keys'),
        ...{ environment: 'nonprod', url: SET_URL, role: 'signer', now, show: asIs },
      },
    )
  return folder
}

/** The default branch as the folder of public keys has it. */
export function committed(folder: string): Files {
  const place = join(folder, 'keys', 'nonprod')
  return Object.fromEntries(
    readdirSync(place).map(name => [`${NONPROD}/${name}`, readFileSync(join(place, name), 'utf8')]),
  )
}

export const publicKeysIn = (files: Readonly<Record<string, string>>): PublicKey[] =>
  Object.entries(files)
    .filter(([path]) => path.startsWith(`${NONPROD}/`) && path.endsWith('.jwk.json'))
    .map(([path, text]) => published(JSON.parse(text), path))

export const lifecycleIn = (files: Readonly<Record<string, string>>): Lifecycle =>
  JSON.parse(files[`${NONPROD}/${LIFECYCLE_FILE}`] ?? '{"keys":{}}').keys

export function rotationRoom(options: Options = {}): RotationRoom {
  const { github = null, rules = {}, upstreams = ['a', 'b'], clock = movedClock() } = options
  const folder = options.folder ?? keyFolder()
  if (github && !github.git.refs.has('heads/main')) github.git.commit(committed(folder))
  const states = openStateFolder(join(folder, 'state'), { now: clock.now, onSetAside: () => {} })
  const told: RotationRoom['told'] = []
  const log = (level: string) => (facts: object, message: string) =>
    void told.push({ level, facts: { ...facts }, message })
  const logs = { info: log('info'), warn: log('warn'), error: log('error') }
  const keys = openEnvironment({
    ...{ name: 'nonprod', clock: clock.clock, log: logs, past: () => null, onSwitched: () => {} },
    drawer: states.drawerOf('nonprod'),
  })
  const environments = () => new Map([['nonprod', keys] as const])
  const publisher: Publisher | null =
    github &&
    openPublisher(
      {
        ...{ repository: REPOSITORY, baseUrl: github.url, fetch: globalThis.fetch },
        throttle: UNPACED.throttle,
      },
      async () => 'a-token',
    )
  const settled: RotationRules = { every: null, standby: false, ...rules }
  let made = 0
  const newId = (): string => `${clock.now()}-${made++}`
  const folders = { folder: join(folder, 'private'), standbyFolder: join(folder, 'standby') }
  const controller = openController({
    ...{ clock: clock.clock, log: logs, environments, rules: () => settled, newId },
    makePair: options.makePair ?? newPairBeside,
    foldersOf: () => folders,
    publisher: () => publisher,
    ask: async id => {
      const hand = keys.handOf(id)
      if (!hand) return
      keys.signing(hand.key.thumbprint)
      keys.answered(id, hand.key.thumbprint, 'accepted')
    },
  })
  const files = (): Record<string, string> =>
    github
      ? github.git.files('main')
      : Object.fromEntries(
          Object.entries(committed(folder)).map(([path, text]) => [path, `${text}`]),
        )
  const reload = (): void =>
    keys.take({
      rules: { jwksUrl: SET_URL, guard: GUARD, liveSince: new Map(), heldElsewhere: [] },
      held: [
        ...loadSigningKeys(folders.folder).keys.map(key => ({ key, role: 'signer' as const })),
        ...loadSigningKeys(folders.standbyFolder).keys.map(key => ({
          ...{ key, role: 'standby' as const },
        })),
      ],
      upstreams: upstreams.map(ehr),
    })
  const look = (): void => {
    const live = publicKeysIn(files())
    const one = {
      keys: live.map(({ thumbprint }) => thumbprint),
      life: { shared: 600, own: 600 },
    }
    keys.seen({
      round: { at: clock.now(), looks: [one, one] },
      published: new Map(
        live.map(({ thumbprint, jwk }) => [thumbprint, [{ kid: jwk.kid, alg: jwk.alg }]]),
      ),
      faults: [],
    })
  }
  reload()
  if (!options.isBlind) look()
  const stop = (): void => states.close()
  onTestFinished(stop)
  return {
    ...{ folder, clock, keys, controller, told, reload, look, stop },
    orders: openOrders({
      ...{ log: logs, environments, rules: () => settled, newId, hurry: controller.hurry },
    }),
    tick: async (times = 1) => {
      for (let count = 0; count < times; count++) {
        reload()
        await controller.tick()
      }
    },
    live: () => publicKeysIn(files()).map(({ jwk }) => jwk.kid),
    lifecycle: () => lifecycleIn(files()),
    files: (below = '') => {
      const place = join(folder, 'private', below)
      return readdirSync(place).filter(name => name.endsWith('.json'))
    },
    codes: () =>
      controller.steps('nonprod').flatMap(step => controller.noteOf('nonprod', step)?.code ?? []),
  }
}

const ehr = (id: string): UpstreamFacts => ({
  ...{ id, alg: ALG, reader: { refetches: true, keeps: null }, pinned: null },
})

/** People merge every pull request that is open. */
export function merge({ git, pulls }: GitHubServer, at: number): void {
  for (const pull of pulls.filter(({ state }) => state === 'open')) {
    git.refs.set('heads/main', git.refs.get(`heads/${pull.head}`) ?? '')
    Object.assign(pull, { state: 'closed', merged_at: new Date(at).toISOString() })
  }
}

/** A private key that somebody else puts in its place. */
export function supply(folder: string, name: string, secret: object): void {
  fill(folder, { [name]: secret })
}
