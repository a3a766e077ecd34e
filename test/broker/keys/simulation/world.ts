import type { KeyFacts, UpstreamFacts } from '../../../../broker/keys/key-facts.ts'
import { openRotations, type Step } from '../../../../broker/keys/plan.ts'
import { isGuess } from '../../../../broker/keys/rotation.ts'
import type { Rotation } from '../../../../broker/keys/state.ts'
import { type Chance, chanceFrom } from '../../../support/chance.ts'
import { BRAIN, type Brain } from './brain.ts'
import { DAY, type Drawn, drawWorld, inHaste } from './draw.ts'
import { Events } from './events.ts'
import { Guesses } from './guesses.ts'
import { Hospital } from './hospital.ts'
import { HOUR, MINUTE, Publication } from './publication.ts'
import { Replica } from './replica.ts'

export interface Wrong {
  /** Hours since the world began. */
  hour: number
  what: 'refused' | 'no_key' | 'no_fallback' | 'revoked_key' | 'too_long'
  who: string
  key: string
}

export interface Outcome {
  wrong: Wrong[]
  /** Refusals that the emergency made unavoidable: no unrevoked key was known there. */
  unavoidable: number
  requests: number
  /** Rotations whose old key is gone and whose new one signs everywhere. */
  completed: number
}

/** Any moment would do. */
const BEGIN = 1_700_000_000_000
const LONGEST = 8 * DAY
/** One world in so many. */
const HASTE = 17
/** Of one key in a row that an emergency excuses. */
const GUESSES = 2
/** A rotation whose deployments succeed ends within so many. */
const MOST_DAYS = 4

export function runWorld(seed: number, brain: Brain = BRAIN): Outcome {
  return new World(seed, brain).run()
}

class World {
  readonly #chance: Chance
  readonly #events = new Events()
  readonly #drawn: Drawn
  readonly #publication: Publication
  readonly #hospitals: Hospital[]
  readonly #replicas: Replica[]
  readonly #outcome: Outcome = { wrong: [], unavoidable: 0, requests: 0, completed: 0 }
  #rotations: readonly Rotation[] = []
  #finished = 0
  #hasEmergency = false
  /** Proposals, `+` or `-` and the key: none is made twice. Those that nobody has merged yet. */
  readonly #proposed = new Set<string>()
  readonly #open = new Set<string>()
  readonly #revoked = new Set<string>()
  readonly #guesses = new Guesses(this.#events)
  #commit: ReadonlySet<string>

  constructor(seed: number, brain: Brain) {
    const chance = chanceFrom(seed)
    this.#chance = chance
    this.#events.now = BEGIN
    const drawn = drawWorld(chance)
    this.#drawn = seed % HASTE === 0 ? inHaste(drawn) : drawn
    const { hospitals, hasStandby, said, replicas } = this.#drawn
    const algs = [...new Set(hospitals.map(({ alg }) => alg))]
    const keys = algs.flatMap(alg => [
      keyOf(`${alg}-old`, alg, BEGIN - 300 * DAY),
      ...(hasStandby ? [keyOf(`${alg}-standby`, alg, BEGIN - 299 * DAY, 'standby')] : []),
    ])
    this.#commit = new Set(keys.map(({ thumbprint }) => thumbprint))
    this.#publication = new Publication(this.#events, chance, { keys: [...this.#commit], said })
    const parts = { brain, events: this.#events, chance, publication: this.#publication }
    this.#hospitals = hospitals.map(kind => {
      const pinned = kind.pinned && [`${kind.alg}-old`]
      return new Hospital(
        { ...kind, pinned, away: shifted(kind.away) },
        this.#events,
        chance,
        this.#publication,
      )
    })
    this.#replicas = replicas.map(
      ({ blind }, at) => new Replica(`replica-${at}`, parts, [...keys], shifted(blind)),
    )
    for (const each of this.#replicas) each.upstreams = this.#hospitals.map(factsOf)
  }

  run(): Outcome {
    const { rotations, emergency, change, replicas, every } = this.#drawn
    const events = this.#events
    for (const [at, replica] of this.#replicas.entries()) {
      this.#repeat(every.look, () => replica.look())
      for (const restart of replicas[at]?.restarts ?? [])
        events.at(BEGIN + restart.at, () => {
          const others = this.#replicas.filter(each => each !== replica)
          replica.restart(restart.loses, others)
        })
    }
    for (const [at, hospital] of this.#hospitals.entries())
      this.#visit(hospital, this.#drawn.traffic[at] ?? HOUR)
    this.#repeat(every.turn, () => this.#turn())
    for (const [nth, { at, alg }] of rotations.entries())
      events.at(BEGIN + at, () => this.#ask(`${nth}`, alg))
    if (emergency) events.at(BEGIN + emergency.at, () => this.#revoke(emergency.alg))
    if (change)
      events.at(BEGIN + change.at, () => {
        this.#publication.said = change.said
      })
    // What was withdrawn may be missed for as long as copies live.
    let over = Number.POSITIVE_INFINITY
    events.run(BEGIN + LONGEST, () => {
      const isDone = this.#finished >= rotations.length && (!emergency || this.#hasEmergency)
      if (isDone && over === Number.POSITIVE_INFINITY) over = events.now + 30 * HOUR
      return events.now > over
    })
    return this.#outcome
  }

  #repeat(every: number, work: () => void): void {
    work()
    this.#events.after(every * (0.9 + this.#chance.next() / 5), () => this.#repeat(every, work))
  }

  #visit(hospital: Hospital, mean: number): void {
    this.#events.after(-Math.log(1 - this.#chance.next()) * mean, () => {
      this.#request(this.#chance.pick(this.#replicas), hospital)
      this.#visit(hospital, mean)
    })
  }

  /** Three attempts at most, as the broker makes them: the third only with another key. */
  #request(replica: Replica, hospital: Hospital, attempt = 1, before = ''): void {
    if (attempt === 1) this.#outcome.requests++
    const choice = replica.sign(hospital.kind.id)
    if (choice === null) {
      this.#noKey(replica, hospital)
      return
    }
    const tried = choice.key.thumbprint
    if (attempt === 3 && tried === before) {
      this.#gaveUp(replica, hospital)
      return
    }
    if (replica.keys.find(({ thumbprint }) => thumbprint === tried)?.revokedAt != null)
      this.#complain('revoked_key', hospital, tried)
    // An assertion may be used for minutes after it was signed.
    const { starts } = replica
    const guess = isGuess(choice) ? this.#guesses.of(replica, hospital, tried) : null
    this.#events.after(this.#delay(), () => {
      const outcome = hospital.judge(tried)
      const isHeard = replica.starts === starts
      if (isHeard) replica.learn(hospital.kind.id, tried, outcome)
      if (outcome === 'unknown_key') this.#refused(replica, hospital, tried, guess?.refused() ?? 0)
      if (!isHeard) return
      if (outcome === 'accepted' || outcome === 'silent') return
      if (attempt < 3) this.#request(replica, hospital, attempt + 1, tried)
      else this.#gaveUp(replica, hospital)
    })
  }

  #delay(): number {
    if (this.#chance.percent(60)) return 0
    return this.#drawn.isLate ? 4 * MINUTE : this.#chance.below(4 * MINUTE)
  }

  /** A hospital of which nobody told us that it has one key alone is served with that key all the same. */
  #gaveUp(replica: Replica, { kind, pinned }: Hospital): void {
    const [known] = pinned ?? []
    const key = replica.keys.find(({ thumbprint }) => thumbprint === known)
    if (!kind.isStubborn || !key || key.revokedAt !== null || kind.whims > 0) return
    // Who did not answer for 29 hours was not waited for.
    if (kind.away.some(([from, to]) => to - from > 28 * HOUR)) return
    const record = replica.records.get(kind.id)
    if (record?.accepted[key.thumbprint] === undefined) return
    this.#tell('no_fallback', kind.id, key.thumbprint)
  }

  #noKey(replica: Replica, hospital: Hospital): void {
    const { alg } = hospital.kind
    const could = replica.keys.some(
      key =>
        key.alg === alg &&
        key.revokedAt === null &&
        key.role === 'signer' &&
        this.#publication.keys.has(key.thumbprint),
    )
    if (could && (hospital.pinned === null || hospital.kind.isStubborn))
      this.#complain('no_key', hospital, '')
  }

  /** `guesses`: how often in a row it was taken though nothing proved it, and refused; nought where something did. */
  #refused(replica: Replica, hospital: Hospital, key: string, guesses: number): void {
    if (hospital.pinned !== null && hospital.kind.isStubborn) return
    const others = replica.keys.filter(
      each =>
        each.alg === hospital.kind.alg &&
        each.thumbprint !== key &&
        each.revokedAt === null &&
        each.role === 'signer',
    )
    // What a revoked key had signed was on its way; so may have been the removal of the one that is needed again.
    const isGoing = this.#hasEmergency && !this.#commit.has(key)
    const isUnavoidable =
      this.#revoked.has(key) ||
      isGoing ||
      (this.#hasEmergency && !others.some(({ thumbprint }) => hospital.knows(thumbprint))) ||
      // Of which key it knows when nothing is proven, nobody can say; each has its turn.
      (this.#hasEmergency && guesses > 0 && guesses <= GUESSES)
    if (isUnavoidable) this.#outcome.unavoidable++
    else this.#complain('refused', hospital, key)
  }

  #complain(what: Wrong['what'], { kind }: Hospital, key: string): void {
    this.#tell(what, kind.id, key)
  }

  #tell(what: Wrong['what'], who: string, key: string): void {
    const hour = Math.round((this.#events.now - BEGIN) / HOUR)
    this.#outcome.wrong.push({ hour, what, who, key })
  }

  #ask(id: string, alg: KeyFacts['alg']): void {
    const asked = this.#events.now
    if (this.#isSmooth())
      this.#events.after(MOST_DAYS * DAY, () => {
        if (this.#rotations.some(each => each.id === id)) this.#tell('too_long', id, '')
      })
    this.#rotations = [
      ...this.#rotations,
      { id, alg, role: 'signer', because: 'schedule', asked, made: null, proposal: null },
    ]
  }

  /** Nothing happens that a rotation has to wait for longer than its deployments and its hospitals. */
  #isSmooth(): boolean {
    const { replicas, emergency, failing } = this.#drawn
    const isCalm = replicas.every(each => each.blind.length === 0 && each.restarts.length === 0)
    const isFetched = this.#hospitals.every(({ pinned }) => pinned === null)
    return isCalm && isFetched && emergency === null && failing === 0
  }

  /** The controller's, which the first replica has. */
  #turn(): void {
    const [first] = this.#replicas
    if (!first) return
    const situation = first.situation()
    const open = openRotations(this.#rotations, situation)
    for (const each of this.#rotations) if (!open.includes(each)) this.#finish(each)
    this.#rotations = open
    // The lock is the first one's; each asks for itself.
    for (const replica of this.#replicas)
      for (const step of replica.plan({
        ...{ rotations: open, replicas: this.#replicas },
        withdrawing: [...this.#open]
          .filter(name => name.startsWith('-'))
          .map(name => name.slice(1)),
      }))
        if (replica === first || step.do === 'ask' || step.do === 'archive') this.#do(step, replica)
  }

  #finish({ made, alg }: Rotation): void {
    this.#finished++
    const others = [...this.#publication.keys].filter(
      name => name.startsWith(alg) && !name.endsWith('standby') && name !== made,
    )
    if (made !== null && this.#publication.keys.has(made) && others.length === 0)
      this.#outcome.completed++
  }

  #do(step: Step, replica: Replica): void {
    if (step.do === 'make') this.#make(step.rotation)
    else if (step.do === 'propose')
      this.#publish(`+${step.key.thumbprint}`, keys => keys.add(step.key.thumbprint))
    else if (step.do === 'withdraw') {
      this.#release(step.key.thumbprint, !step.emergency)
      this.#publish(`-${step.key.thumbprint}`, keys => keys.delete(step.key.thumbprint))
    } else if (step.do === 'keep') this.#takeBack(step.key.thumbprint)
    else if (step.do === 'archive')
      replica.keys = replica.keys.map(each =>
        each.thumbprint === step.key.thumbprint ? { ...each, isHere: false } : each,
      )
    else if (step.do === 'ask') {
      const hospital = this.#hospitals.find(({ kind }) => kind.id === step.upstream)
      if (hospital) this.#request(replica, hospital)
    }
  }

  #make({ id, alg }: Rotation): void {
    const name = `${alg}-new-${id}`
    const key = keyOf(name, alg, this.#events.now)
    this.#rotations = this.#rotations.map(each => (each.id === id ? { ...each, made: name } : each))
    for (const [at, replica] of this.#replicas.entries())
      this.#events.after(at * this.#chance.below(HOUR), () => {
        replica.keys = [...replica.keys, key]
      })
    for (const hospital of this.#hospitals)
      if (hospital.pinned !== null && !hospital.kind.isStubborn && hospital.kind.alg === alg)
        this.#repin(hospital, name)
  }

  /** The hospital loads the new key by hand some hours later, and our config names it an hour after that. */
  #repin(hospital: Hospital, name: string): void {
    this.#events.after(HOUR * (1 + this.#chance.below(20)), () => {
      hospital.pinned = [...(hospital.pinned ?? []), name]
      this.#events.after(HOUR, () => {
        for (const replica of this.#replicas)
          replica.upstreams = replica.upstreams.map(each =>
            each.id === hospital.kind.id ? { ...each, pinned: [name] } : each,
          )
      })
    })
  }

  /** Merged some hours later, then deployed, which may fail and is begun again. */
  #publish(name: string, change: (keys: Set<string>) => void): void {
    if (this.#proposed.has(name)) return
    this.#proposed.add(name)
    this.#open.add(name)
    this.#events.after(this.#chance.below(this.#drawn.isSwift ? MINUTE : 6 * HOUR), () => {
      if (!this.#open.delete(name)) return
      const keys = new Set(this.#commit)
      change(keys)
      this.#commit = keys
      this.#deploy()
    })
  }

  #release(thumbprint: string, isReleased: boolean): void {
    for (const replica of this.#replicas)
      replica.keys = replica.keys.map(each =>
        each.thumbprint === thumbprint ? { ...each, isReleased } : each,
      )
  }

  #takeBack(thumbprint: string): void {
    const name = `-${thumbprint}`
    if (!this.#open.delete(name)) return
    this.#proposed.delete(name)
    this.#release(thumbprint, false)
  }

  #deploy(): void {
    this.#events.after(this.#chance.below(this.#drawn.isSwift ? MINUTE : 2 * HOUR), () => {
      if (this.#chance.percent(this.#drawn.failing))
        this.#events.after(30 * MINUTE + this.#chance.below(3 * HOUR), () => this.#deploy())
      else this.#publication.keys = this.#commit
    })
  }

  #revoke(alg: KeyFacts['alg']): void {
    const key = this.#replicas[0]
      ?.choices()
      .get(
        this.#hospitals.find(({ kind }) => kind.alg === alg && kind.pinned === null)?.kind.id ?? '',
      )?.key
    this.#hasEmergency = true
    if (!key) return
    this.#revoked.add(key.thumbprint)
    for (const [at, replica] of this.#replicas.entries())
      this.#events.after(at * this.#chance.below(MINUTE), () => {
        const now = this.#events.now
        replica.keys = replica.keys.map(each => {
          if (each.thumbprint === key.thumbprint) return { ...each, revokedAt: now }
          return each.alg === alg ? { ...each, role: 'signer' } : each
        })
      })
  }
}

const shifted = (spans: readonly (readonly [number, number])[]) =>
  spans.map(([from, to]) => [BEGIN + from, BEGIN + to] as const)

const keyOf = (
  name: string,
  alg: KeyFacts['alg'],
  created: number,
  role: KeyFacts['role'] = 'signer',
): KeyFacts => ({
  ...{ thumbprint: name, kid: name, alg, created, role, isHere: true },
  ...{ revokedAt: null, isReleased: false },
})

const factsOf = ({ kind, pinned }: Hospital): UpstreamFacts => ({
  ...{ id: kind.id, alg: kind.alg, pinned: kind.isStubborn ? null : pinned },
  reader: { refetches: kind.refetches, keeps: null },
})
