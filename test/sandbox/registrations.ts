import { checkClaims, checkSignature, checkWithStatic } from './assertion-rules.ts'
import type { FetchedKey, KeySetCache } from './key-set-cache.ts'
import { EpicRefusal } from './refusal.ts'

/** An app as it is registered: non-production and production client IDs are different records. */
export interface Registration {
  clientId: string
  environment: 'production' | 'nonprod'
  jwksUrl: string
  /** The "Incoming APIs" of the app: granted whole, whatever is asked. */
  scopes: readonly string[]
  /** For people to start; without it, for backend systems. One record is never both. */
  userSide?: UserSide
  /** A hospital maps each backend client to a background user; the sandbox does so by itself. */
  userMapped?: boolean
  /** Milliseconds since the epoch from which the record has reached this server. */
  syncedAt?: number
  /** Keys that were uploaded to this record once, and win over the URL until somebody removes them. */
  staticKeys?: readonly FetchedKey[]
  /** From May 2026 on a hospital enters the app's URL in its own system too ("local JKU"). */
  isUrlEntered?: boolean
}

interface UserSide {
  /** Compared as they stand, character by character. */
  redirectUris: readonly string[]
  /** Where an EHR starts the app. */
  launchUrl?: string
  /** "Requires Persistent Access": whoever asks for offline_access gets a refresh token. */
  isPersistent?: boolean
}

/** How the hospital takes an assertion. */
interface Taken {
  tokenUrl: string
  audiences: readonly string[]
  asksForLocalUrl: boolean
}

/** The apps that this server knows. */
export class Registrations {
  readonly #clients = new Map<string, Registration>()
  readonly #seen = new Map<string, number>()
  readonly #keySets: KeySetCache
  readonly #environment: Registration['environment']
  readonly #now: () => number

  constructor(keySets: KeySetCache, environment: Registration['environment'], now: () => number) {
    this.#keySets = keySets
    this.#environment = environment
    this.#now = now
  }

  /** What the portal does when the record is saved: TLS, public, no authentication, a key set. @throws EpicRefusal */
  async register(registration: Registration): Promise<void> {
    if (!registration.jwksUrl.startsWith('https://'))
      throw new EpicRefusal('key_set_unreachable', 'not https')
    await this.#keySets.fetch(registration.jwksUrl)
    this.#clients.set(registration.clientId, { userMapped: true, syncedAt: 0, ...registration })
  }

  /** @throws EpicRefusal */
  find(clientId: string): Registration {
    const client = this.#clients.get(clientId)
    if (!client) throw new EpicRefusal('client_unknown')
    if (client.environment !== this.#environment)
      throw new EpicRefusal('client_of_other_environment')
    if ((client.syncedAt ?? 0) > this.#now()) throw new EpicRefusal('client_not_synced')
    return client
  }

  /** The app whose key signed the assertion. @throws EpicRefusal */
  async authenticate(clientId: string, assertion: string, taken: Taken): Promise<Registration> {
    const client = this.find(clientId)
    if (client.staticKeys) await checkWithStatic(assertion, client.staticKeys)
    else if (taken.asksForLocalUrl && !client.isUrlEntered) throw new EpicRefusal('url_not_entered')
    else await checkSignature(assertion, client.jwksUrl, this.#keySets)
    const { tokenUrl, audiences } = taken
    const now = this.#now()
    const jti = checkClaims(assertion, { clientId, tokenUrl, audiences, now })
    const seen = `${clientId} ${jti}`
    if ((this.#seen.get(seen) ?? 0) > now) throw new EpicRefusal('jti_replayed')
    this.#seen.set(seen, now + 300_000)
    return client
  }
}
