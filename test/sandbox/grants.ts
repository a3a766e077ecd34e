import { createHash, randomBytes } from 'node:crypto'
import type { Person } from './people.ts'
import { EpicRefusal } from './refusal.ts'

/** What a person has allowed an app, and all that comes of it. */
export interface Grant {
  clientId: string
  redirectUri: string
  scopes: readonly string[]
  person: Person
  patient: string | null
  encounter: string | null
  challenge: string
  nonce: string | null
  state: string | null
  /** Started by an EHR, which shows its own patient banner. */
  isEhrLaunch: boolean
  /** Its tokens are void, all of them. */
  isDead: boolean
}

/** What a hospital does with a refresh token that is used. */
export type RefreshMode = 'plain' | 'rolling' | 'indefinite'

interface Refresh {
  grant: Grant
  /** Milliseconds since the epoch. */
  until: number
  isUsed: boolean
}

/** Milliseconds. */
const CODE_LIFE = 5 * 60_000

/** Authorization codes and refresh tokens: each is good once, but a refresh token in the plain mode. */
export class Grants {
  /** What the hospital has set. */
  refreshMode: RefreshMode = 'plain'
  /** Seconds. */
  refreshLife = 90 * 24 * 3600

  readonly #codes = new Map<string, { grant: Grant; until: number; isUsed: boolean }>()
  readonly #refreshes = new Map<string, Refresh>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Long, as Epic's are: what truncates it finds out here. */
  codeFor(grant: Grant): string {
    const code = randomBytes(384).toString('base64url')
    this.#codes.set(code, { grant, until: this.#now() + CODE_LIFE, isUsed: false })
    return code
  }

  /** A code that comes twice was seen by a second one: what the first got of it is void. @throws EpicRefusal */
  redeem(clientId: string, form: URLSearchParams): Grant {
    const found = this.#codes.get(form.get('code') ?? '')
    if (!found) throw new EpicRefusal('code_unknown')
    const { grant, until, isUsed } = found
    if (grant.clientId !== clientId) throw new EpicRefusal('code_of_other_client')
    if (isUsed) {
      grant.isDead = true
      throw new EpicRefusal('code_used')
    }
    found.isUsed = true
    if (until <= this.#now()) throw new EpicRefusal('code_expired')
    if (form.get('redirect_uri') !== grant.redirectUri)
      throw new EpicRefusal('redirect_uri_differs')
    const digest = createHash('sha256').update(form.get('code_verifier') ?? '')
    if (digest.digest('base64url') !== grant.challenge) throw new EpicRefusal('verifier_wrong')
    return grant
  }

  refreshTokenFor(grant: Grant, until = this.#now() + this.refreshLife * 1000): string {
    const token = randomBytes(96).toString('base64url')
    this.#refreshes.set(token, { grant, until, isUsed: false })
    return token
  }

  /** One that was replaced and comes again is in two hands: nothing of that grant lives on. @throws EpicRefusal */
  refresh(clientId: string, token: string): { grant: Grant; next: string | null } {
    const found = this.#refreshes.get(token)
    if (!found) throw new EpicRefusal('refresh_token_unknown')
    const { grant, until, isUsed } = found
    if (grant.clientId !== clientId) throw new EpicRefusal('refresh_token_of_other_client')
    if (grant.isDead) throw new EpicRefusal('refresh_token_revoked')
    if (until <= this.#now()) throw new EpicRefusal('refresh_token_expired')
    if (isUsed) {
      grant.isDead = true
      throw new EpicRefusal('refresh_token_used')
    }
    if (this.refreshMode === 'plain') return { grant, next: null }
    found.isUsed = true
    const end = this.refreshMode === 'rolling' ? until : undefined
    return { grant, next: this.refreshTokenFor(grant, end) }
  }

  /** As when somebody takes the access away from every app. */
  revokeAll(): void {
    for (const { grant } of this.#codes.values()) grant.isDead = true
  }
}
