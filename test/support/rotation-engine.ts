import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Board } from '../../broker/keys/board.ts'
import { type Controller, openController } from '../../broker/keys/controller.ts'
import { type EnvironmentKeys, openEnvironment } from '../../broker/keys/environment.ts'
import type { UpstreamFacts } from '../../broker/keys/key-facts.ts'
import type { MakePair } from '../../broker/keys/make-key.ts'
import type { Note } from '../../broker/keys/notes.ts'
import { type Orders, openOrders } from '../../broker/keys/orders.ts'
import type { Publisher } from '../../broker/keys/publish.ts'
import { loadSigningKeys } from '../../broker/keys/signing-keys.ts'
import { openStateFolder } from '../../broker/keys/state-file.ts'
import type { RotationRules } from '../../broker/keys/wishes.ts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { KEYS_FOLDER } from '../../keys-pipeline/github/key-changes.ts'
import { type PublicKey, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { newPairBeside } from '../../keys-pipeline/key-pair.ts'
import type { MovedClock } from './clock.ts'

export const ALG: Alg = 'ES256'
export const URL_OF_SET = 'https://keys.example.com/nonprod/.well-known/jwks.json'
export const GUARD = 1200
/** Seconds after which a key that has stopped signing has rested. */
export const REST = GUARD + 5 * 60 + 1
export const NONPROD = `${KEYS_FOLDER}/nonprod`
export const UPSTREAMS = ['a', 'b']

export interface EngineOptions {
  /** Has `private/`, `standby/` and the state. */
  folder: string
  clock: MovedClock
  publisher: Publisher | null
  /** The files of the branch that is published from. */
  published: () => Readonly<Record<string, string>>
  rules?: Partial<RotationRules>
  makePair?: MakePair
  /** The watch has not looked yet. */
  isBlind?: boolean
  /** What it shares with others, and its folder of what was seen and signed. */
  board?: Board
  state?: string
}

/** Rotations of one environment with real keys, files and pull requests, whose time, people and hospitals are played. */
export interface Engine {
  keys: EnvironmentKeys
  controller: Controller
  orders: Orders
  /** What the log was told, in order. */
  told: { level: string; facts: Record<string, unknown>; message: string }[]
  /** Looks at the set as the default branch has it. */
  look: () => void
  /** A reload of the key folders and a tick, so often; time stands. */
  tick: (times?: number) => Promise<void>
  /** Every hospital takes the key that signs for it. */
  accept: () => void
  /** Names of files in the folder of private keys, and in one below it. */
  files: (below?: string) => string[]
  /** What steps wait for. */
  codes: () => Note['code'][]
  /** As when the process ends, with whatever was saved. */
  stop: () => void
}

export function openEngine(options: EngineOptions): Engine {
  const { folder, clock, publisher, published } = options
  const rules: RotationRules = { every: null, standby: false, ...options.rules }
  const states = openStateFolder(join(folder, options.state ?? 'state'), {
    now: clock.now,
    onSetAside: () => {},
  })
  const told: Engine['told'] = []
  const log = (level: string) => (facts: object, message: string) =>
    void told.push({ level, facts: { ...facts }, message })
  const logs = { info: log('info'), warn: log('warn'), error: log('error') }
  const keys = openEnvironment({
    ...{ name: 'nonprod', clock: clock.clock, log: logs, past: () => null, onSwitched: () => {} },
    drawer: states.drawerOf('nonprod'),
    ...{ board: options.board ?? null, wait: milliseconds => wait(milliseconds) },
    chance: Math.random,
    owner: `${options.state ?? 'one'}-${randomUUID()}`,
    newName: () => `${options.state ?? 'one'}-${randomUUID()}`,
  })
  let made = 0
  const ports = {
    ...{ clock: clock.clock, log: logs, rules: () => rules },
    environments: () => new Map([['nonprod', keys] as const]),
    newId: () => `${clock.now()}-${made++}`,
  }
  const folders = {
    folder: join(folder, 'private'),
    standbyFolder: join(folder, 'standby'),
    passphrase: null,
  }
  const take = (id: string): void => {
    const hand = keys.handOf(id)
    if (!hand) return
    keys.signing(hand.key.thumbprint)
    keys.answered(id, hand.key.thumbprint, 'accepted')
  }
  const controller = openController({
    ...ports,
    makePair: options.makePair ?? newPairBeside,
    foldersOf: () => folders,
    publisher: () => publisher,
    ask: async id => take(id),
  })
  const reload = (): void => {
    const load = (from: string, role: 'signer' | 'standby') =>
      loadSigningKeys(from).keys.map(key => ({ key, role }))
    keys.take({
      rules: { jwksUrl: URL_OF_SET, guard: GUARD, liveSince: new Map(), heldElsewhere: [] },
      held: [...load(folders.folder, 'signer'), ...load(folders.standbyFolder, 'standby')],
      upstreams: UPSTREAMS.map(ehr),
    })
  }
  const look = (): void => keys.seen(roundOf(publicKeysIn(published()), clock.now()))
  reload()
  if (!options.isBlind) look()
  return {
    ...{ keys, controller, told, look, stop: states.close },
    orders: openOrders({ ...ports, hurry: controller.hurry }),
    tick: async (times = 1) => {
      for (let count = 0; count < times; count++) {
        reload()
        await controller.tick()
      }
    },
    accept: () => UPSTREAMS.forEach(take),
    files: (below = '') =>
      readdirSync(join(folders.folder, below)).filter(name => name.endsWith('.json')),
    codes: () =>
      controller.steps('nonprod').flatMap(step => controller.noteOf('nonprod', step)?.code ?? []),
  }
}

const ehr = (id: string): UpstreamFacts => ({
  ...{ id, alg: ALG, reader: { refetches: true, keeps: null }, pinned: null },
})

export const publicKeysIn = (files: Readonly<Record<string, string>>): PublicKey[] =>
  Object.entries(files)
    .filter(([path]) => path.startsWith(`${NONPROD}/`) && path.endsWith('.jwk.json'))
    .flatMap(([path, text]) => toPublicKey(JSON.parse(text), path).key ?? [])

function roundOf(live: readonly PublicKey[], at: number) {
  const look = {
    keys: live.map(({ thumbprint }) => thumbprint),
    life: { shared: 600, own: 600 },
  }
  const names = live.map(
    ({ thumbprint, jwk: { kid, alg } }) => [thumbprint, [{ kid, alg }]] as const,
  )
  return { round: { at, looks: [look, look] }, published: new Map(names), faults: [] }
}
