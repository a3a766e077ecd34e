import {
  type KeyFacts,
  type KeyRecord,
  NO_RECORD,
  type UpstreamFacts,
} from '../../../../broker/keys/key-facts.ts'
import type { Step } from '../../../../broker/keys/plan.ts'
import type { GuardSettings } from '../../../../broker/keys/proof.ts'
import { canAllSign, ledgerOf, type Report, reportOf } from '../../../../broker/keys/replicas.ts'
import type { Ledger } from '../../../../broker/keys/retirement.ts'
import type { Choice, Situation } from '../../../../broker/keys/rotation.ts'
import type { Life, Look, Watched } from '../../../../broker/keys/sightings.ts'
import type { Rotation } from '../../../../broker/keys/state.ts'
import type { Chance } from '../../../support/chance.ts'
import type { Brain } from './brain.ts'
import type { Events } from './events.ts'
import type { Hospital } from './hospital.ts'
import { HOUR, type Publication, type Said } from './publication.ts'

const HEARD = {
  accepted: 'accepted',
  unknown_key: 'refused',
  whim: 'refused',
  silent: 'silent',
} as const

const SETTINGS: GuardSettings = { guard: null, claimed: {} }

/** In seconds, as the watch reads the header. */
const lifeOf = (said: Said | null): Life =>
  said === null
    ? { own: (29 * HOUR) / 1000, shared: (29 * HOUR) / 1000 }
    : { own: said.own / 1000, shared: (said.shared + said.stale) / 1000 }

/** The worlds begin with a watch that has seen the same for long. */
function seenBefore(now: number, keys: readonly KeyFacts[], said: Said | null): Watched {
  const began = now - 60 * HOUR
  const sighting = { liveSince: began, lastPresent: now, lastAbsent: null }
  return {
    ...{ began, lastRound: now, lastTold: now },
    sightings: Object.fromEntries(keys.map(({ thumbprint }) => [thumbprint, sighting])),
    lives: [{ ...lifeOf(said), first: began, last: now }],
  }
}

/** One process of the broker, with what it knows. */
export class Replica {
  readonly id: string
  readonly #brain: Brain
  readonly #events: Events
  readonly #chance: Chance
  readonly #publication: Publication
  /** Spans in which its watch gets no answer. */
  readonly blind: readonly (readonly [number, number])[]
  keys: KeyFacts[]
  upstreams: UpstreamFacts[] = []
  watched: Watched
  records: ReadonlyMap<string, KeyRecord> = new Map()
  lastSigned: Readonly<Record<string, number>> = {}
  since: number
  /** Reports of its lives under another name. */
  readonly past: Report[] = []

  /** How often its process began: what one was at work on ends with it. */
  starts = 1

  constructor(
    id: string,
    parts: { brain: Brain; events: Events; chance: Chance; publication: Publication },
    keys: KeyFacts[],
    blind: readonly (readonly [number, number])[],
  ) {
    this.id = id
    this.#brain = parts.brain
    this.#events = parts.events
    this.#chance = parts.chance
    this.#publication = parts.publication
    this.keys = keys
    this.blind = blind
    this.since = parts.events.now
    this.watched = seenBefore(parts.events.now, keys, parts.publication.said)
  }

  /** A round of the watch: one look past the caches and one through them; now and then one of them fails. */
  look(): void {
    const now = this.#events.now
    const isBlind = this.blind.some(([from, to]) => from <= now && now < to)
    const looks = [this.#publication.fromOrigin(), this.#publication.fromEdge()].map(
      ({ keys, said }): Look => {
        if (isBlind || this.#chance.percent(4)) return null
        return { keys: [...keys], life: lifeOf(said) }
      },
    )
    this.watched = this.#brain.see(this.watched, { at: now, looks })
  }

  situation(): Situation {
    return {
      ...{ keys: this.keys, watched: this.watched, upstreams: this.upstreams },
      ...{ records: this.records, settings: SETTINGS, now: this.#events.now },
    }
  }

  choices(): Map<string, Choice | null> {
    return this.#brain.choose(this.situation())
  }

  /** The key that it signs with; null where there is none. */
  sign(upstream: string): Choice | null {
    const choice = this.choices().get(upstream) ?? null
    if (choice !== null)
      this.lastSigned = { ...this.lastSigned, [choice.key.thumbprint]: this.#events.now }
    return choice
  }

  learn(upstream: string, thumbprint: string, outcome: ReturnType<Hospital['judge']>): void {
    const attempt = { thumbprint, at: this.#events.now, outcome: HEARD[outcome] }
    const before = this.records.get(upstream) ?? NO_RECORD
    this.records = new Map(this.records).set(upstream, this.#brain.learn(before, attempt))
  }

  /** With its state lost it begins under another name, with what the others have seen, as the board has it. */
  restart(loses: boolean, others: readonly Replica[]): void {
    this.starts++
    const { watched, records, lastSigned, since } = this
    const kept = { watched, records, lastSigned, since }
    if (loses) this.past.push({ ...this.report(), id: `${this.id} before`, hasLeft: true })
    Object.assign(this, this.#brain.restart(kept, this.#events.now, loses))
    const [other] = others
    if (!loses || !other) return
    this.watched = other.watched
    this.since = Math.max(...others.map(each => each.since))
  }

  /** What the controller would do, with all that the replicas tell each other. */
  plan({
    rotations,
    replicas,
    withdrawing,
  }: {
    rotations: readonly Rotation[]
    replicas: readonly Replica[]
    withdrawing: readonly string[]
  }): Step[] {
    return this.#brain.plan({
      ...{ situation: this.situation(), choices: this.choices(), rotations, withdrawing },
      ledger: this.ledger(replicas),
      isEverywhere: name => canAllSign(this.#boardOf(replicas), name, this.#events.now),
    })
  }

  report(): Report {
    const { id, since, records, lastSigned } = this
    const state = {
      ...{ records, lastSigned: new Map(Object.entries(lastSigned)), fault: () => null },
      parts: { since, revoked: {} },
    }
    const known = {
      ...{ facts: this.keys, choices: this.choices() },
      upstreams: new Map(this.upstreams.map(each => [each.id, each])),
    }
    return { ...reportOf(known, state, this.#events.now), id, instance: id, hasLeft: false }
  }

  #boardOf(all: readonly Replica[]): Report[] {
    return all.flatMap(each => [...(each === this ? [] : [each.report()]), ...each.past])
  }

  /** What all replicas together have signed, as the shared store tells it. */
  ledger(all: readonly Replica[]): Ledger {
    return ledgerOf(this, this.#boardOf(all), this.#events.now)
  }
}
