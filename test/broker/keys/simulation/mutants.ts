import { type KeyFacts, NO_RECORD } from '../../../../broker/keys/key-facts.ts'
import { type Plan, planSteps } from '../../../../broker/keys/plan.ts'
import { afterAttempt, lastAccepted } from '../../../../broker/keys/records.ts'
import {
  type Choice,
  chooseSigners,
  isGuess,
  type Situation,
} from '../../../../broker/keys/rotation.ts'
import { afterRound, NOTHING_SEEN, type Watched } from '../../../../broker/keys/sightings.ts'
import { BRAIN, type Brain } from './brain.ts'

const mutant = (parts: Partial<Brain>): Brain => ({ ...BRAIN, ...parts })

/** Both what chooses and what plans see another situation. */
const seeing = (change: (situation: Situation) => Situation): Brain =>
  mutant({
    choose: situation => chooseSigners(change(situation)),
    plan: plan => planSteps({ ...plan, situation: change(plan.situation) }),
  })

const planning = (change: (plan: Plan) => Plan): Brain =>
  mutant({ plan: plan => planSteps(change(plan)) })

const watching = (change: (watched: Watched, situation: Situation) => Watched): Brain =>
  seeing(situation => ({ ...situation, watched: change(situation.watched, situation) }))

const withKeys = (change: (key: KeyFacts) => KeyFacts): Brain =>
  seeing(situation => ({ ...situation, keys: situation.keys.map(change) }))

const withReaders = (refetches: boolean): Brain =>
  seeing(situation => ({
    ...situation,
    upstreams: situation.upstreams.map(each => ({ ...each, reader: { refetches, keeps: null } })),
  }))

/** Choices, some of which are another. */
function choosing(
  change: (choice: Choice | null, id: string, situation: Situation) => Choice | null,
): Brain {
  return mutant({
    choose: situation =>
      new Map(
        [...chooseSigners(situation)].map(([id, choice]) => [id, change(choice, id, situation)]),
      ),
  })
}

const signersFor = (id: string, { keys, upstreams }: Situation): KeyFacts[] => {
  const alg = upstreams.find(each => each.id === id)?.alg
  return keys.filter(
    key => key.alg === alg && key.isHere && key.revokedAt === null && key.role === 'signer',
  )
}

const newest = (keys: readonly KeyFacts[]): KeyFacts | undefined =>
  keys.toSorted((a, b) => b.created - a.created)[0]

const isPinned = (id: string, { upstreams }: Situation): boolean =>
  upstreams.find(each => each.id === id)?.pinned != null

/** Brokers with one thing wrong each: every one of them harms somebody in some world. */
export const MUTANTS: Readonly<Record<string, Brain>> = {
  'the guard is zero': seeing(situation => ({
    ...situation,
    settings: { ...situation.settings, guard: 0 },
  })),
  'the guard runs from when the key was made': watching((watched, { keys }) => ({
    ...watched,
    sightings: Object.fromEntries(
      Object.entries(watched.sightings).map(([name, sighting]) => {
        const made = keys.find(({ thumbprint }) => thumbprint === name)?.created ?? 0
        const liveSince = sighting.liveSince === null ? null : made
        return [name, { ...sighting, liveSince }]
      }),
    ),
  })),
  'a key signs as soon as it is made': choosing((choice, id, situation) => {
    const key = newest(signersFor(id, situation))
    return isPinned(id, situation) || !key ? choice : { key, because: 'newest' }
  }),
  'a failed look has every key': mutant({
    see: (watched, { at, looks }) => {
      const keys = ['RS384', 'ES384'].flatMap(alg =>
        ['old', 'standby', 'new-0', 'new-1'].map(name => `${alg}-${name}`),
      )
      const life = { own: 0, shared: 0 }
      return afterRound(watched, { at, looks: looks.map(look => look ?? { keys, life }) })
    },
  }),
  'a failed look has no key': mutant({
    see: (watched, { at, looks }) => {
      const life = { own: 0, shared: 0 }
      return afterRound(watched, { at, looks: looks.map(look => look ?? { keys: [], life }) })
    },
  }),
  'a standby may sign': withKeys(key => ({ ...key, role: 'signer' })),
  'the life that was served last counts, not the longest': watching(watched => ({
    ...watched,
    lives: watched.lives.filter(({ last }) => last === watched.lastTold).slice(-1),
  })),
  'what may be served stale is left out': watching(watched => ({
    ...watched,
    lives: watched.lives.map(each => ({ ...each, shared: Math.min(each.shared, each.own) })),
  })),
  'no header is no life': watching(watched => ({
    ...watched,
    lives: watched.lives.map(each =>
      each.own === 29 * 3600 ? { ...each, own: 0, shared: 0 } : each,
    ),
  })),
  'every reader is taken for Epic': withReaders(true),
  'the fallback may be a revoked key': choosing((choice, id, situation) => {
    const record = situation.records.get(id)
    const last = record && lastAccepted(record, () => true)
    const key = situation.keys.find(({ thumbprint }) => thumbprint === last)
    return key?.revokedAt != null && choice !== null ? { key, because: 'fallback' } : choice
  }),
  'there is no fallback': mutant({
    learn: (record, attempt) => ({ ...afterAttempt(record, attempt), fallback: null }),
  }),
  'what was refused is guessed again': choosing((choice, id, situation) => {
    if (choice === null || !isGuess(choice)) return choice
    const record = situation.records.get(id) ?? NO_RECORD
    const records = new Map(situation.records).set(id, { ...record, fallback: null })
    return chooseSigners({ ...situation, records }).get(id) ?? null
  }),
  '29 hours beat the fallback': planning(plan => ({
    ...plan,
    choices: new Map([...plan.choices].filter(([, choice]) => choice?.because !== 'fallback')),
    situation: {
      ...plan.situation,
      records: new Map(
        [...plan.situation.records].map(([id, record]) => {
          const asked = Object.entries(record.asked)
          const silent = asked.map(([name, { first }]) => [name, { first, hasAnswered: false }])
          return [id, { ...record, asked: Object.fromEntries(silent) }]
        }),
      ),
    },
  })),
  'the other replica is not asked': planning(plan => ({
    ...plan,
    ledger: { ...plan.ledger, replicas: [] },
  })),
  'a key rests no time': planning(plan => ({
    ...plan,
    ledger: { ...plan.ledger, since: 0, lastSigned: {} },
  })),
  'a restart loses the state': mutant({
    restart: () => ({ watched: NOTHING_SEEN, records: new Map(), lastSigned: {}, since: 0 }),
  }),
  'who has not accepted the newer key is not waited for': planning(plan => ({
    ...plan,
    situation: { ...plan.situation, records: new Map() },
  })),
  'a pinned hospital is like any other': seeing(situation => ({
    ...situation,
    upstreams: situation.upstreams.map(each => ({ ...each, pinned: null })),
  })),
  'a revoked key goes on': withKeys(key => ({ ...key, revokedAt: null })),
  'a key that is gone from the set stops signing at once': choosing((choice, id, situation) => {
    const liveSince = situation.watched.sightings[choice?.key.thumbprint ?? '']?.liveSince
    return liveSince == null && !isPinned(id, situation) ? null : choice
  }),
}
