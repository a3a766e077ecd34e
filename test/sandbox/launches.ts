import { randomBytes } from 'node:crypto'
import type { Person } from './people.ts'
import { EpicRefusal } from './refusal.ts'

/** What an EHR knows when it starts an app. */
export interface Launch {
  clientId: string
  person: Person
  patient: string | null
  encounter: string | null
}

/** Milliseconds. */
const LIFE = 5 * 60_000

/** Launch tokens: each good once, for the app that it was made for, at this server alone. */
export class Launches {
  readonly #launches = new Map<string, { launch: Launch; until: number; isUsed: boolean }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Long, as Epic's are, so that an app keeps its state small. */
  start(launch: Launch): string {
    const token = randomBytes(512).toString('base64url')
    this.#launches.set(token, { launch, until: this.#now() + LIFE, isUsed: false })
    return token
  }

  /** @throws EpicRefusal */
  take(token: string, clientId: string): Launch {
    const found = this.#launches.get(token)
    if (!found) throw new EpicRefusal('launch_token_unknown')
    if (found.launch.clientId !== clientId) throw new EpicRefusal('launch_token_of_other_client')
    if (found.isUsed) throw new EpicRefusal('launch_token_used')
    found.isUsed = true
    if (found.until <= this.#now()) throw new EpicRefusal('launch_token_expired')
    return found.launch
  }
}
