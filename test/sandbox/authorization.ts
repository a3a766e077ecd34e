import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  consentPage,
  PAGE_HEADERS,
  patientPage,
  signInPage,
  troublePage,
} from './authorize-pages.ts'
import { type Ask, grantedScopes, readAsk, readRedirect } from './authorize-rules.ts'
import { type Fault, scripted } from './faults.ts'
import type { Grants } from './grants.ts'
import type { Launch, Launches } from './launches.ts'
import { PASSWORD, PEOPLE } from './people.ts'
import { EpicRefusal, REASONS } from './refusal.ts'
import type { Registrations } from './registrations.ts'
import { eachOnce, formOf } from './token-form.ts'

/** Characters. IIS, before which Epic stands, takes no longer query unless it is told to. @see maxQueryString */
const MOST_QUERY = 2048

interface Rooms {
  clients: Registrations
  launches: Launches
  grants: Grants
  granting: 'by-app' | 'by-request'
  issuer: () => string
  fhirBase: () => string
  record: (clientId: string | null, reason: EpicRefusal | null) => void
}

type Pending = Ask & Partial<Launch>

/** The authorization endpoint and the pages that a person sees there. */
export class Authorization {
  /** RFC 9207: the answer says who gives it. */
  tellsIssuer = false
  /** What the next requests here get instead of an answer, one each. */
  readonly faults: Fault[] = []
  /** How many requests arrived at the authorization endpoint, faults included. */
  requests = 0
  readonly #pending = new Map<string, Pending>()
  readonly #rooms: Rooms

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  routes(server: FastifyInstance, base: string): void {
    const page = (path: string, step: (form: URLSearchParams, reply: FastifyReply) => unknown) =>
      server.post(`${base}/${path}`, async (request, reply) =>
        this.#guarded(request, reply, () => step(formOf(request), reply)),
      )
    server.route({
      method: ['GET', 'POST'],
      url: `${base}/authorize`,
      handler: async (request, reply) => {
        this.requests++
        return scripted(this.faults, request, reply, async () =>
          this.#guarded(request, reply, () => this.#authorize(request, reply)),
        )
      },
    })
    page('sign-in', (form, reply) => this.#signIn(form, reply))
    page('patient', (form, reply) => this.#choose(form, reply))
    page('consent', (form, reply) => this.#decide(form, reply))
  }

  /** What may not be sent back to an app ends on a page. */
  #guarded(request: FastifyRequest, reply: FastifyReply, step: () => unknown): unknown {
    try {
      return step()
    } catch (error) {
      if (!(error instanceof EpicRefusal)) throw error
      const [, query] = request.url.split('?')
      const said = new URLSearchParams(request.method === 'POST' ? `${request.body}` : query)
      this.#rooms.record(said.get('client_id'), error)
      const status = error.reason === 'url_too_long' ? 404 : 400
      return reply.code(status).headers(PAGE_HEADERS).send(troublePage())
    }
  }

  #authorize(request: FastifyRequest, reply: FastifyReply): unknown {
    const query = request.url.split('?')[1] ?? ''
    if (query.length > MOST_QUERY) throw new EpicRefusal('url_too_long', `${query.length}`)
    const { clients, launches, fhirBase } = this.#rooms
    const { method } = request
    const parameters = method === 'POST' ? formOf(request) : eachOnce(new URLSearchParams(query))
    const to = readRedirect(parameters, id => clients.find(id))
    const { clientId } = to.client
    try {
      const ask = { ...to, ...readAsk(parameters, { method, fhirBase: fhirBase() }) }
      if (ask.launch !== null)
        return this.#allow({ ...ask, ...launches.take(ask.launch, clientId) }, reply)
      return reply.headers(PAGE_HEADERS).send(signInPage(this.#keep(ask)))
    } catch (error) {
      if (!(error instanceof EpicRefusal) || REASONS[error.reason] === 'page') throw error
      return this.#refuse(to, error, reply)
    }
  }

  #keep(pending: Pending): string {
    const transaction = randomBytes(16).toString('base64url')
    this.#pending.set(transaction, pending)
    return transaction
  }

  /** Each page can be answered once. */
  #take(form: URLSearchParams): Pending {
    const transaction = form.get('transaction') ?? ''
    const pending = this.#pending.get(transaction)
    this.#pending.delete(transaction)
    if (!pending) throw new EpicRefusal('transaction_unknown')
    return pending
  }

  #signIn(form: URLSearchParams, reply: FastifyReply): unknown {
    const pending = this.#take(form)
    const person = PEOPLE.find(({ name }) => name === form.get('name'))
    reply.headers(PAGE_HEADERS)
    if (!person || form.get('password') !== PASSWORD)
      return reply.send(signInPage(this.#keep(pending), true))
    const [only, ...others] = person.patients
    const isPatient = person.resource.startsWith('Patient/')
    const asksPatient = pending.scopes.includes('launch/patient')
    if (asksPatient && others.length > 0)
      return reply.send(patientPage(this.#keep({ ...pending, person }), person))
    const patient = asksPatient || isPatient ? (only ?? null) : null
    return this.#ask({ ...pending, person, patient }, reply)
  }

  #choose(form: URLSearchParams, reply: FastifyReply): unknown {
    const pending = this.#take(form)
    const patient = form.get('patient') ?? ''
    if (!pending.person?.patients.includes(patient)) throw new EpicRefusal('transaction_unknown')
    return this.#ask({ ...pending, patient }, reply)
  }

  #ask(pending: Pending, reply: FastifyReply): unknown {
    const { client, person } = pending
    if (!person) throw new EpicRefusal('transaction_unknown')
    const shown = {
      clientId: client.clientId,
      person,
      scopes: grantedScopes(pending, this.#rooms.granting),
    }
    return reply.headers(PAGE_HEADERS).send(consentPage(this.#keep(pending), shown))
  }

  #decide(form: URLSearchParams, reply: FastifyReply): unknown {
    const pending = this.#take(form)
    if (form.get('decision') === 'allow') return this.#allow(pending, reply)
    return this.#refuse(pending, new EpicRefusal('person_refused'), reply)
  }

  #allow(pending: Pending, reply: FastifyReply): unknown {
    const { client, redirectUri, challenge, nonce, state, person } = pending
    if (!person) throw new EpicRefusal('transaction_unknown')
    const code = this.#rooms.grants.codeFor({
      ...{ clientId: client.clientId, redirectUri, challenge, nonce, state, person },
      scopes: grantedScopes(pending, this.#rooms.granting),
      patient: pending.patient ?? null,
      encounter: pending.encounter ?? null,
      isEhrLaunch: pending.launch !== null,
      isDead: false,
    })
    this.#rooms.record(client.clientId, null)
    return this.#sendBack(pending, { code }, reply)
  }

  #refuse(
    to: Pick<Ask, 'client' | 'redirectUri' | 'state'>,
    why: EpicRefusal,
    reply: FastifyReply,
  ) {
    this.#rooms.record(to.client.clientId, why)
    return this.#sendBack(to, { error: REASONS[why.reason] }, reply)
  }

  #sendBack(
    { redirectUri, state }: Pick<Ask, 'redirectUri' | 'state'>,
    answer: Record<string, string>,
    reply: FastifyReply,
  ): unknown {
    const url = new URL(redirectUri)
    for (const [name, value] of Object.entries(answer)) url.searchParams.append(name, value)
    if (state !== null) url.searchParams.append('state', state)
    if (this.tellsIssuer) url.searchParams.append('iss', this.#rooms.issuer())
    return reply.header('referrer-policy', 'no-referrer').redirect(url.href, 302)
  }
}
