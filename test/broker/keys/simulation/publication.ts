import type { Chance } from '../../../support/chance.ts'
import type { Events } from './events.ts'

/** All spans here are in milliseconds. */
export const [MINUTE, HOUR] = [60_000, 3_600_000]

/** What the host says of how long its answer may be kept; null is silence. */
export interface Said {
  /** For each copy of one's own. */
  own: number
  /** For what many share. */
  shared: number
  /** Beyond that, while a new one is fetched or cannot be. */
  stale: number
}

export interface Answer {
  keys: ReadonlySet<string>
  said: Said | null
  /** How old it is already. */
  age: number
}

/** A key set behind a content delivery network: each edge keeps its copy as it is told. */
export class Publication {
  readonly #events: Events
  readonly #chance: Chance
  readonly #edges: { answer: Answer; at: number }[] = []
  keys: ReadonlySet<string>
  said: Said | null

  constructor(
    events: Events,
    chance: Chance,
    first: { keys: readonly string[]; said: Said | null },
  ) {
    this.#events = events
    this.#chance = chance
    this.keys = new Set(first.keys)
    this.said = first.said
  }

  /** As the origin has it: with a cache-buster nothing else is asked. */
  fromOrigin(): Answer {
    return { keys: this.keys, said: this.said, age: 0 }
  }

  /** By one of three edges, whose copies are of different ages. */
  fromEdge(): Answer {
    const edge = this.#chance.below(3)
    const now = this.#events.now
    const copy = this.#edges[edge]
    if (copy && now - copy.at < edgeLife(copy.answer.said))
      return { ...copy.answer, age: now - copy.at }
    const answer = this.fromOrigin()
    this.#edges[edge] = { answer, at: now }
    return answer
  }
}

/** An edge that is told nothing keeps what it has for ten minutes, and none keeps it past an hour. */
const edgeLife = (said: Said | null): number =>
  said === null ? 10 * MINUTE : Math.min(said.shared, HOUR)
