import { randomBytes } from 'node:crypto'
import type { Grant, Grants } from './grants.ts'
import type { IdTokens } from './id-tokens.ts'
import { EpicRefusal } from './refusal.ts'
import type { Registration } from './registrations.ts'

/** What an access token opens. */
export interface Issued {
  /** Milliseconds since the epoch. */
  until: number
  scopes: readonly string[]
  /** Null for a backend system. */
  grant: Grant | null
}

interface Rooms {
  grants: Grants
  idTokens: IdTokens
  issuer: () => string
  fhirBase: () => string
  now: () => number
  /** Seconds. */
  tokenLife: number
}

/** Replies of the token endpoint, and the access tokens in them. */
export class TokenAnswers {
  /** As SMART has it, where Epic's sample has a string. */
  bannerIsBoolean = false
  readonly #issued = new Map<string, Issued>()
  readonly #rooms: Rooms

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  find(token: string): Issued | null {
    const issued = this.#issued.get(token)
    if (!issued || issued.until <= this.#rooms.now() || issued.grant?.isDead) return null
    return issued
  }

  forget(): void {
    this.#issued.clear()
  }

  forBackend(scopes: readonly string[]): object {
    return this.#issue(scopes, null)
  }

  /** @throws EpicRefusal */
  async forPerson(client: Registration, form: URLSearchParams): Promise<object> {
    const { clientId } = client
    // Nothing but the assertion names the app; what is said beside it must agree. @see RFC 7521 §4.2
    if ((form.get('client_id') ?? clientId) !== clientId) throw new EpicRefusal('client_id_differs')
    const { grants } = this.#rooms
    if (form.get('grant_type') === 'refresh_token') {
      const { grant, next } = grants.refresh(clientId, form.get('refresh_token') ?? '')
      return { ...this.#issue(grant.scopes, grant), ...(next !== null && { refresh_token: next }) }
    }
    const grant = grants.redeem(clientId, form)
    const isLasting = grant.scopes.includes('offline_access')
    return {
      ...this.#issue(grant.scopes, grant),
      ...this.#context(grant),
      id_token: await this.#idToken(grant),
      ...(isLasting && { refresh_token: grants.refreshTokenFor(grant) }),
    }
  }

  #issue(scopes: readonly string[], grant: Grant | null): object {
    const { now, tokenLife } = this.#rooms
    const token = randomBytes(32).toString('base64url')
    this.#issued.set(token, { until: now() + tokenLife * 1000, scopes, grant })
    return {
      access_token: token,
      token_type: grant === null ? 'bearer' : 'Bearer',
      expires_in: tokenLife,
      scope: scopes.join(' '),
    }
  }

  #context({ patient, encounter, isEhrLaunch, state }: Grant): object {
    const needsBanner = !isEhrLaunch
    return {
      ...(patient !== null && { patient, '__epic.dstu2.patient': `T${patient}` }),
      ...(isEhrLaunch && encounter !== null && { encounter }),
      need_patient_banner: this.bannerIsBoolean ? needsBanner : `${needsBanner}`,
      smart_style_url: new URL('/interconnect-fhir-oauth/style.json', this.#rooms.issuer()).href,
      ...(state !== null && { state }),
    }
  }

  #idToken({ clientId, person, nonce, scopes }: Grant): Promise<string> {
    const { idTokens, issuer, fhirBase } = this.#rooms
    return idTokens.sign({
      ...{ iss: issuer(), aud: clientId, sub: person.resource.split('/')[1] },
      ...(nonce !== null && { nonce }),
      ...(scopes.includes('fhirUser') && { fhirUser: `${fhirBase()}/${person.resource}` }),
      ...(scopes.includes('profile') && { preferred_username: person.name }),
    })
  }
}
