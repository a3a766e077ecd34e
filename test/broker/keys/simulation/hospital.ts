import type { Chance } from '../../../support/chance.ts'
import type { Events } from './events.ts'
import { type Answer, HOUR, type Publication } from './publication.ts'

export interface HospitalKind {
  id: string
  alg: 'RS384' | 'ES384'
  /** Fetches the set anew for a kid that it does not know, once for each assertion. */
  refetches: boolean
  /** All that leaves the house goes through a cache that many share. */
  hasProxy: boolean
  /** How long it keeps a set where nothing is said, in milliseconds. */
  keeps: number
  /** Keys that were loaded by hand, in place of the set. */
  pinned: readonly string[] | null
  /** They were, and nobody told us. */
  isStubborn: boolean
  /** Spans in which nobody answers. */
  away: readonly (readonly [number, number])[]
  /** Of a thousand answers, how many are a no for no reason. */
  whims: number
}

/** No longer than Epic's own: 29 hours. */
const MOST = 29 * HOUR

/** The reader of a key set, which does what its documentation and the headers say. */
export class Hospital {
  readonly kind: HospitalKind
  pinned: readonly string[] | null
  readonly #events: Events
  readonly #chance: Chance
  readonly #publication: Publication
  #copy: { keys: ReadonlySet<string>; until: number } | null = null
  #proxied: { answer: Answer; at: number; until: number } | null = null

  constructor(kind: HospitalKind, events: Events, chance: Chance, publication: Publication) {
    this.kind = kind
    this.pinned = kind.pinned
    this.#events = events
    this.#chance = chance
    this.#publication = publication
  }

  /** `whim`: a no that has nothing to do with the key. */
  judge(key: string): 'accepted' | 'unknown_key' | 'whim' | 'silent' {
    const now = this.#events.now
    if (this.kind.away.some(([from, to]) => from <= now && now < to)) return 'silent'
    if (this.#chance.below(1000) < this.kind.whims) return 'whim'
    return this.knows(key) ? 'accepted' : 'unknown_key'
  }

  knows(key: string): boolean {
    if (this.pinned !== null) return this.pinned.includes(key)
    const copy = this.#copy
    if (copy !== null && this.#events.now < copy.until) {
      if (copy.keys.has(key)) return true
      if (!this.kind.refetches) return false
    }
    return this.#fetch().has(key)
  }

  #fetch(): ReadonlySet<string> {
    const now = this.#events.now
    const { keys, said, age } = this.kind.hasProxy
      ? this.#throughProxy()
      : this.#publication.fromEdge()
    const life = said === null ? this.kind.keeps : Math.min(said.own, MOST)
    this.#copy = { keys, until: now + Math.max(0, life - age) }
    return keys
  }

  #throughProxy(): Answer {
    const now = this.#events.now
    const kept = this.#proxied
    if (kept !== null && now < kept.until)
      return { ...kept.answer, age: kept.answer.age + (now - kept.at) }
    const answer = this.#publication.fromEdge()
    const life = answer.said === null ? MOST : answer.said.shared + answer.said.stale
    this.#proxied = { answer, at: now, until: now + Math.max(0, life - answer.age) }
    return answer
  }
}
