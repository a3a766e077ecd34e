import type { Times } from '../../keys-pipeline/github/record.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { Clock } from '../clock.ts'
import { type Alarm, alarmsOf, type Log, openAlarms } from './alarms.ts'
import type { Board } from './board.ts'
import { type KeyFacts, NO_RECORD, type UpstreamFacts } from './key-facts.ts'
import {
  asPublished,
  factsOf,
  isAwaiting,
  namesAfter,
  settingsOf,
  switchesBetween,
} from './known-keys.ts'
import type { GuardSettings } from './proof.ts'
import { type Attempt, afterAttempt, hasNews } from './records.ts'
import { openReplica, type Replica } from './replica.ts'
import { reportOf, type Standing, standings } from './replicas.ts'
import { type Because, type Choice, chooseFor, type Situation } from './rotation.ts'
import { afterRound, NOTHING_SEEN } from './sightings.ts'
import type { SigningKey } from './signing-keys.ts'
import type { KeyState } from './state.ts'
import { type Drawer, openState } from './state-keeper.ts'
import type { Seen } from './watch.ts'
import { type IsOpenFor, openWaves } from './waves.ts'

/** A private key that is here. */
export interface HeldKey {
  key: SigningKey
  role: KeyFacts['role']
}

/** What the config says of an environment's keys. */
export interface KeyRules {
  jwksUrl: string | null
  guard: number | null
  /** By kid, in milliseconds since the epoch. */
  liveSince: ReadonlyMap<string, { at: number }>
  heldElsewhere: readonly string[]
}

/** The key that signs for an upstream, under the names by which EHRs know it. */
export interface Hand {
  key: SigningKey
  because: Because
}

export interface Taken {
  rules: KeyRules
  held: readonly HeldKey[]
  upstreams: readonly UpstreamFacts[]
}

interface Ports {
  name: Environment
  clock: Clock
  log: Log
  drawer: Drawer
  /** Where the brokers that share a store tell each other; null where none is shared. */
  board: Board | null
  wait: (milliseconds: number) => Promise<void>
  /** 0 to 1. */
  chance: () => number
  /** Of this process, and a new one, unlike any other in any broker. */
  owner: string
  newName: () => string
  /** The key that an upstream is known to have accepted last, from elsewhere; milliseconds since the epoch. */
  past: (upstream: string) => { kid: string; at: number } | null
  /** Told when another key is to sign for an upstream than before. */
  onSwitched: () => void
}

export interface EnvironmentKeys extends Omit<Replica, 'fault'> {
  /** Another generation of config and keys. */
  take: (taken: Taken) => void
  handOf: (upstream: string) => Hand | null
  /** As the last decision had it, by upstream. */
  choices: () => ReadonlyMap<string, Choice | null>
  taken: () => Taken
  /** Before each signature. */
  signing: (thumbprint: string) => void
  answered: (upstream: string, thumbprint: string, outcome: Attempt['outcome']) => void
  seen: (seen: Seen) => void
  /** Decides what time or others have changed, and saves what is due. */
  tick: () => void
  /** The key signs nothing from now on, for ever, and a standby does in its place; whether it was saved when this returns. */
  revoke: (thumbprint: string, reason: string, heir: string | null) => boolean
  /** What the publisher's record tells: by thumbprint, when keys were made, and since when they have been live. */
  learn: (told: { created?: Times; live?: Times }) => void
  /** Whether a key here is to become live or proven, or one that was revoked is to go. */
  isAwaiting: () => boolean
  /** This replica and the others; none where nothing is shared. */
  standings: () => Standing[]
  situation: () => Situation
  /** But the records, which are in the situation. */
  state: () => Omit<KeyState, 'records'>
  alarms: () => readonly Alarm[]
  close: () => void
}

/** Milliseconds between two decisions about everything, where nothing but time has passed. */
const DECIDE_EVERY = 60_000

/** The keys of one environment: what is known of them, and which of them signs for whom. */
export function openEnvironment(ports: Ports): EnvironmentKeys {
  const { name, clock, log, onSwitched } = ports
  const state = openState(ports.drawer, clock)
  const alarms = openAlarms(name, log)
  const now = (): number => clock().wall
  let taken: Taken = { rules: NO_RULES, held: [], upstreams: [] }
  let facts: readonly KeyFacts[] = []
  let upstreams = new Map<string, UpstreamFacts>()
  let hands = new Map<string, Hand | null>()
  let isOpenFor: IsOpenFor = () => false
  let settings: GuardSettings = { guard: null, claimed: {} }
  let recorded: Times = {}
  let decidedAt = Number.NEGATIVE_INFINITY
  let isStale = true

  const situation = (): Situation => ({
    ...{ keys: facts, upstreams: taken.upstreams, settings, now: now() },
    ...{ watched: state.parts.watched, records: state.records },
  })
  const gather = (): void => {
    facts = factsOf(taken.held, state)
    const { watched } = state.parts
    settings = settingsOf(taken.rules, facts, { live: recorded, watched })
  }
  const handFor = (choice: Choice | null): Hand | null => {
    if (choice === null) return null
    const found = taken.held.find(({ key }) => key.thumbprint === choice.key.thumbprint)
    if (!found) return null
    return { key: asPublished(found.key, state.parts.published), because: choice.because }
  }
  const decide = (): void => {
    const current = situation()
    isOpenFor = openWaves(taken.rules.jwksUrl === null ? unwatched(current) : current)
    const next = new Map<string, Hand | null>()
    const byKey = new Map<string, Hand | null>()
    for (const upstream of taken.upstreams) {
      const choice = chooseFor(upstream, current, isOpenFor)
      const id = choice === null ? '' : `${choice.key.thumbprint} ${choice.because}`
      const hand = byKey.has(id) ? (byKey.get(id) ?? null) : handFor(choice)
      byKey.set(id, hand)
      next.set(upstream.id, hand)
    }
    const switched = switchesBetween(hands, next)
    hands = next
    decidedAt = current.now
    isStale = false
    for (const [kid, { count, first, because }] of switched)
      log.info({ environment: name, kid, upstreams: count, upstream: first, because }, 'key signs')
    if (switched.size > 0) onSwitched()
    ring()
  }
  const decideFor = (id: string): void => {
    const upstream = upstreams.get(id)
    if (!upstream) return
    const before = hands.get(id)
    const hand = handFor(chooseFor(upstream, situation(), isOpenFor))
    hands.set(id, hand)
    if (before?.key.thumbprint === hand?.key.thumbprint) return
    const facts = { kid: hand?.key.kid ?? null, because: hand?.because ?? null }
    log.warn({ environment: name, upstream: id, ...facts }, 'another key signs')
    onSwitched()
  }
  /** Where nothing is known of an upstream, the audit may know which key it took last. */
  const remember = (id: string): void => {
    const past = state.records.has(id) ? null : ports.past(id)
    const found = past && taken.held.find(({ key }) => key.kid === past.kid)
    if (!past || !found) return
    const { thumbprint } = found.key
    state.record(id, { ...NO_RECORD, inUse: thumbprint, accepted: { [thumbprint]: past.at } }, true)
  }
  const ring = (): void => {
    for (const [code, about] of alarmsOf({ facts, hands, taken, state: state.parts }))
      alarms.set(code, about, now())
  }
  const choices = (): Map<string, Choice | null> =>
    new Map([...hands].map(([id, hand]) => [id, choiceIn(hand, facts)]))
  const replica = openReplica({
    ...{ ...ports, state, environment: name },
    report: () => reportOf({ facts, choices: choices(), upstreams }, state, now()),
    mayLead: () => state.parts.url !== null && state.parts.watched.lastTold !== null,
    onNews: () => {
      gather()
      decide()
    },
  })
  const heard = (): void => {
    const fault = replica.fault()
    alarms.set('store_away', fault === null ? [] : [fault], now())
  }
  return {
    ...replica,
    heed: async () => {
      await replica.heed()
      heard()
    },
    sync: async () => {
      const isKnown = await replica.sync()
      heard()
      return isKnown
    },
    take: next => {
      taken = next
      upstreams = new Map(next.upstreams.map(each => [each.id, each]))
      const { jwksUrl: url } = next.rules
      // What was seen elsewhere says nothing of here.
      if (state.parts.url !== url) {
        state.change({ url, watched: NOTHING_SEEN, published: {} })
        recorded = {}
      }
      state.meet(next.held.map(({ key }) => ({ thumbprint: key.thumbprint, made: key.since })))
      for (const { id } of next.upstreams) remember(id)
      gather()
      decide()
    },
    handOf: upstream => hands.get(upstream) ?? null,
    choices,
    taken: () => taken,
    signing: thumbprint => state.signing(thumbprint),
    answered: (upstream, thumbprint, outcome) => {
      if (!upstreams.has(upstream)) return
      const before = state.records.get(upstream) ?? NO_RECORD
      const after = afterAttempt(before, { thumbprint, outcome, at: now() })
      const isNews = hasNews(before, after, thumbprint)
      state.record(upstream, after, isNews)
      if (!isNews) return
      isStale = true
      decideFor(upstream)
    },
    seen: ({ round, published, faults }) => {
      const watched = afterRound(state.parts.watched, round)
      state.change({ watched, published: namesAfter(published, taken.held, state.parts.published) })
      state.meet([...published.keys()].map(thumbprint => ({ thumbprint, made: null })))
      gather()
      alarms.set(
        'watch_failing',
        faults.map(({ way, isFresh, state: what }) =>
          [way ?? '', isFresh ? 'fresh' : '', what].filter(Boolean).join(' '),
        ),
        now(),
      )
      decide()
    },
    tick: () => {
      if (isStale || now() - decidedAt >= DECIDE_EVERY || now() < decidedAt) decide()
      state.saveIfDue()
      const fault = state.fault()
      alarms.set('state_not_saved', fault === null ? [] : [fault], now())
    },
    revoke: (thumbprint, reason, heir) => {
      const { revoked, promoted } = state.parts
      // In one: between the two nobody could sign, and a process that ends there would leave it so.
      state.change({
        revoked: { [thumbprint]: { at: now(), reason }, ...revoked },
        promoted: [...new Set([...promoted, ...(heir === null ? [] : [heir])])],
      })
      gather()
      decide()
      state.saveNow()
      return state.fault() === null
    },
    learn: ({ created = {}, live = recorded }) => {
      recorded = live
      replica.date(created)
      gather()
      decide()
    },
    isAwaiting: () => isAwaiting(situation()),
    standings: () => standings(replica.id(), replica.others(), state.parts, now()),
    situation,
    state: state.rest,
    alarms: alarms.list,
    close: () => state.saveNow(),
  }
}

const NO_RULES: KeyRules = { jwksUrl: null, guard: null, liveSince: new Map(), heldElsewhere: [] }

/** Where nobody looks, no wave waits for a look. */
const unwatched = (situation: Situation): Situation => ({
  ...situation,
  watched: { ...NOTHING_SEEN, lastRound: situation.now, lastTold: situation.now },
})

function choiceIn(hand: Hand | null, facts: readonly KeyFacts[]): Choice | null {
  const key = facts.find(({ thumbprint }) => thumbprint === hand?.key.thumbprint)
  return hand && key ? { key, because: hand.because } : null
}
