import process from 'node:process'
import { expect, test } from 'vitest'
import type { Board } from '../../../broker/keys/board.ts'
import { openReplica, type Replica } from '../../../broker/keys/replica.ts'
import type { Posted } from '../../../broker/keys/replicas.ts'
import type { KeyState, Rotation } from '../../../broker/keys/state.ts'
import { type OpenState, openState } from '../../../broker/keys/state-keeper.ts'
import { type Chance, chanceFrom } from '../../support/chance.ts'
import { movedClock } from '../../support/clock.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const WORLDS = process.env['LOCKSTEP_LONG'] === '1' ? 2000 : 200
const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

/** A board in memory on which others get in between, and that is away now and then. */
function memoryBoard(chance: Chance, onPut: (next: Posted) => void) {
  const held: { text: string | null; isAway: boolean } = { text: null, isAway: false }
  const turn = async (): Promise<void> => {
    for (let left = chance.below(4); left > 0; left--) await Promise.resolve()
    if (held.isAway) throw new Error('away')
  }
  const board: Board = {
    read: async () => {
      await turn()
      return { text: held.text, posted: held.text === null ? null : JSON.parse(held.text) }
    },
    replace: async ({ text }, next) => {
      await turn()
      if (held.text !== text) return false
      held.text = JSON.stringify(next)
      onPut(next)
      await turn()
      return true
    },
  }
  return { board, held }
}

interface Broker {
  owner: string
  replica: Replica
  state: OpenState
}

/** Brokers that come, end, are killed and lose their states, on a store that forgets, in random order. */
class World {
  readonly chance: Chance
  readonly clock = movedClock()
  readonly store: ReturnType<typeof memoryBoard>
  readonly saved = new Map<number, { state: KeyState; savedAt: number }>()
  readonly brokers = new Map<number, Broker>()
  readonly revoked = new Set<string>()
  readonly ordered = new Set<string>()
  /** By its number, who has held the lease. */
  readonly holders = new Map<number, string>()
  /** Numbers that two who both live have held. */
  readonly shared: number[] = []
  names = 0
  hasForgotten = false

  constructor(seed: number) {
    this.chance = chanceFrom(seed)
    this.store = memoryBoard(this.chance, ({ lease }) => this.#judge(lease))
  }

  #judge(lease: Posted['lease']): void {
    if (lease === null || lease.owner === null) return
    const before = this.holders.get(lease.number) ?? lease.owner
    const isAlive = [...this.brokers.values()].some(({ owner }) => owner === before)
    if (before !== lease.owner && isAlive) this.shared.push(lease.number)
    this.holders.set(lease.number, lease.owner)
  }

  open(at: number): Broker {
    const known = this.brokers.get(at)
    if (known) return known
    const { clock } = this.clock
    const drawer = {
      load: () => structuredClone(this.saved.get(at) ?? null),
      save: (state: KeyState, savedAt: number) =>
        void this.saved.set(at, structuredClone({ state, savedAt })),
    }
    const state = openState(drawer, clock)
    const owner = `process-${this.names++}`
    const replica = openReplica({
      ...{ board: this.store.board, state, clock, log: QUIET, environment: 'nonprod' },
      ...{ wait: async () => {}, chance: this.chance.next, mayLead: () => true, onNews: () => {} },
      ...{ owner, newName: () => `process-${this.names++}` },
      report: () => ({
        ...{ at: this.clock.now(), since: 0, lastSigned: {}, lastSignature: null },
        ...{ inUse: [], usable: [], acknowledged: Object.keys(state.parts.revoked) },
      }),
    })
    const broker = { owner, replica, state }
    this.brokers.set(at, broker)
    return broker
  }

  async step(): Promise<void> {
    const { chance, store } = this
    const at = chance.below(4)
    const broker = this.open(at)
    const { replica } = broker
    const what = chance.below(100)
    if (what < 40) await replica.sync()
    else if (what < 50) await replica.heed()
    else if (what < 58) await this.#revoke(broker)
    else if (what < 68) await this.#order(replica)
    else if (what < 80) await replica.keep(() => ({}), 'holder').catch(() => {})
    else if (what < 85) this.brokers.delete(at)
    else if (what < 88) {
      await replica.leave()
      this.brokers.delete(at)
    } else if (what < 94) this.clock.advance(chance.below(60))
    else if (what < 96) store.held.isAway = !store.held.isAway
  }

  /** The store forgets, or a broker does what others know by then: who alone knows something cannot. */
  async forget(): Promise<void> {
    const { chance, store, saved, brokers } = this
    this.clock.advance(1)
    if (chance.percent(50)) {
      store.held.text = null
      this.hasForgotten = true
    } else {
      const at = chance.below(4)
      const isKnown = await this.open(at).replica.sync()
      if (!isKnown || !(await this.open((at + 1) % 4).replica.sync())) return
      saved.delete(at)
      brokers.delete(at)
    }
  }

  async #revoke({ replica, state }: Broker): Promise<void> {
    const name = `key-${this.revoked.size}`
    this.revoked.add(name)
    const { revoked } = state.parts
    state.change({ revoked: { ...revoked, [name]: { at: this.clock.now(), reason: name } } })
    state.saveNow()
    await replica.sync()
  }

  async #order(replica: Replica): Promise<void> {
    const id = `order-${this.ordered.size}`
    const what = { alg: 'ES256', role: 'signer', because: 'command' } as const
    const rotation: Rotation = { id, ...what, asked: 0, made: null, proposal: null }
    this.ordered.add(id)
    const kept = replica.keep(
      ({ rotations }) => ({ rotations: [...rotations, rotation] }),
      'anyone',
    )
    await kept.catch(() => this.ordered.delete(id))
  }
}

test('whatever ends, forgets or comes between, no revocation is lost, no order while the store remembers, and no lease has two holders', async () => {
  const chance = chanceFrom(SEED)
  let [revocations, orders] = [0, 0]
  for (let nth = 0; nth < WORLDS; nth++) {
    const seed = chance.below(2 ** 31)
    const world = new World(seed)
    for (let count = 0; count < 40; count++) {
      await Promise.all(Array.from({ length: 1 + world.chance.below(3) }, () => world.step()))
      if (world.chance.percent(10)) await world.forget()
    }
    world.store.held.isAway = false
    const all = [0, 1, 2, 3].map(at => world.open(at))
    for (const each of [...all, ...all])
      expect(await each.replica.sync(), `seed ${seed}`).toBe(true)
    for (const { state, replica } of all) {
      expect(new Set(Object.keys(state.parts.revoked)), `seed ${seed}`).toEqual(world.revoked)
      expect(replica.others().length, `seed ${seed}`).toBeGreaterThanOrEqual(3)
    }
    const works = new Set(all.map(({ state }) => JSON.stringify(state.parts.rotations)))
    expect(works.size, `seed ${seed}`).toBe(1)
    const kept = all[0]?.state.parts.rotations.map(({ id }) => id) ?? []
    const lost = [...world.ordered].filter(id => !kept.includes(id))
    if (!world.hasForgotten) expect(lost, `seed ${seed}`).toEqual([])
    orders += world.hasForgotten ? 0 : kept.length
    expect(world.shared, `seed ${seed}`).toEqual([])
    revocations += world.revoked.size
  }
  expect(revocations).toBeGreaterThan(WORLDS)
  expect(orders).toBeGreaterThan(0)
})
