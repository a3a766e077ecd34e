import type { Events } from './events.ts'
import type { Hospital } from './hospital.ts'
import type { Replica } from './replica.ts'

interface Row {
  key: string
  refused: number
  /** When the last of them was refused: what was signed before was on its way, and is none of the row. */
  at: number
}

/** Of keys that nothing proves, how often in a row a process has had the same one refused by a hospital. */
export class Guesses {
  readonly #events: Events
  readonly #rows = new Map<string, Row>()

  constructor(events: Events) {
    this.#events = events
  }

  /** At its signature; `refused` says the count with this refusal. */
  of({ id, starts }: Replica, { kind }: Hospital, key: string): { refused: () => number } {
    const name = `${id} ${starts} ${kind.id}`
    const known = this.#rows.get(name)
    const row = known?.key === key ? known : { key, refused: 0, at: Number.NEGATIVE_INFINITY }
    this.#rows.set(name, row)
    const signed = this.#events.now
    return {
      refused: () => {
        if (signed < row.at) return Math.max(1, row.refused)
        row.at = this.#events.now
        return ++row.refused
      },
    }
  }
}
