import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { claimedClient } from './assertion-rules.ts'
import { Authorization } from './authorization.ts'
import { openChart } from './chart.ts'
import { type Fault, scripted } from './faults.ts'
import { fhirServer } from './fhir-server.ts'
import { Grants } from './grants.ts'
import { IdTokens } from './id-tokens.ts'
import { KeySetCache } from './key-set-cache.ts'
import { type Launch, Launches } from './launches.ts'
import { PEOPLE } from './people.ts'
import { EpicRefusal, REASONS, type Reason } from './refusal.ts'
import { type Registration, Registrations } from './registrations.ts'
import { TokenAnswers } from './token-answers.ts'
import { tokenForm } from './token-form.ts'

export interface LogEntry {
  time: number
  clientId: string | null
  reason: Reason | 'granted'
  detail: string
}

export interface LocalEpicOptions {
  tls: { cert: string; key: string }
  /** PEM of the authorities that Epic trusts when it fetches a key set. */
  ca: string
  environment?: 'production' | 'nonprod'
  /** Milliseconds since the epoch; tests move it. */
  now?: () => number
  /** Seconds. */
  tokenLife?: number
  /** Milliseconds that a token request takes. */
  delay?: number
  /** Epic grants what the app has, whatever is asked; Oracle Health what is asked, and refuses where nothing is left. */
  grants?: 'by-app' | 'by-request'
}

const ROOT = '/interconnect-fhir-oauth'

/** An authorization and FHIR server that behaves as Epic's documents say, and says no as Epic says no. */
export class LocalEpic {
  /** What the next token requests get instead of an answer, one each. */
  readonly faults: Fault[] = []
  readonly log: LogEntry[] = []
  readonly keySets: KeySetCache
  /** What the hospital's admins have allowed as aud beside the token endpoint, as behind a proxy. */
  readonly audiences: string[] = []
  /** This hospital is at Epic's version of May 2026 or later. */
  asksForLocalUrl = false
  /** How many token requests arrived, faults included. */
  tokenRequests = 0
  /** How many requests for a resource arrived. */
  reads = 0
  /** The `Epic-Client-ID` of each look at the smart-configuration. */
  readonly discoveries: (string | undefined)[] = []
  /** Endpoints that are overridden for a client ID: it is given other ones than a stranger. */
  readonly tokenUrls = new Map<string, string>()
  /** Codes and refresh tokens, and what the hospital has set of them. */
  readonly grants: Grants
  readonly idTokens: IdTokens
  readonly authorization: Authorization
  readonly answers: TokenAnswers

  readonly #server: FastifyInstance
  readonly #options: Required<LocalEpicOptions>
  readonly #clients: Registrations
  readonly #launches: Launches
  /** Another number in each hospital, as Epic's is, so that nobody writes it down. */
  readonly #publicKeys =
    `${ROOT}/api/epic/2019/Security/Open/PublicKeys/${Math.floor(Math.random() * 1e6)}/OIDC`
  #origin = ''

  constructor(options: LocalEpicOptions) {
    this.#options = {
      ...{ environment: 'nonprod', now: Date.now, tokenLife: 3600, delay: 0, grants: 'by-app' },
      ...options,
    }
    const { now, environment, tokenLife, grants: granting } = this.#options
    this.keySets = new KeySetCache(options.ca, now)
    this.#clients = new Registrations(this.keySets, environment, now)
    this.#launches = new Launches(now)
    this.grants = new Grants(now)
    this.idTokens = new IdTokens(now)
    const at = { issuer: () => this.issuer, fhirBase: () => this.fhirBase }
    const { grants, idTokens } = this
    this.answers = new TokenAnswers({ ...at, grants, idTokens, now, tokenLife })
    this.authorization = new Authorization({
      ...at,
      ...{ clients: this.#clients, launches: this.#launches, grants, granting },
      record: (clientId, refusal) => this.#record(clientId, refusal),
    })
    this.#server = fastify({
      https: { ...options.tls, minVersion: 'TLSv1.2' },
      forceCloseConnections: true,
      // As IIS routes, before which Epic's token endpoint stands.
      routerOptions: { caseSensitive: false, ignoreTrailingSlash: true },
    }) as unknown as FastifyInstance
    this.#routes()
  }

  async start(): Promise<this> {
    await this.#server.listen({ host: '127.0.0.1', port: 0 })
    const address = this.#server.server.address()
    if (address === null || typeof address === 'string')
      throw new Error('the local Epic has no port')
    this.#origin = `https://localhost:${address.port}`
    return this
  }

  async stop(): Promise<void> {
    await this.#server.close()
    await this.keySets.close()
  }

  get tokenUrl(): string {
    return `${this.issuer}/token`
  }

  get authorizeUrl(): string {
    return `${this.issuer}/authorize`
  }

  get fhirBase(): string {
    return `${this.#origin}${ROOT}/api/FHIR/R4`
  }

  /** What an id_token has as iss; it is not the FHIR base, which a launch has as iss. */
  get issuer(): string {
    return `${this.#origin}${ROOT}/oauth2`
  }

  /** A page of the EHR, whose links start the app that is registered under this ID. */
  chartUrl(clientId: string): string {
    return `${this.#origin}${ROOT}/chart?client=${encodeURIComponent(clientId)}`
  }

  /** What the portal does when the record is saved: TLS, public, no authentication, a key set. @throws EpicRefusal */
  register(registration: Registration): Promise<void> {
    return this.#clients.register(registration)
  }

  /** A launch token: good once, for this app. A clinician starts it unless another person is given. */
  launchToken(launch: Pick<Launch, 'clientId'> & Partial<Launch>): string {
    const [, clinician] = PEOPLE
    const { person = clinician, patient = null, encounter = null, clientId } = launch
    if (!person) throw new Error('there is nobody at the local Epic')
    return this.#launches.start({ clientId, person, patient, encounter })
  }

  /** The URL to which an EHR sends the browser to start an app. */
  launchUrl(launch: Parameters<LocalEpic['launchToken']>[0]): string {
    const { userSide } = this.#clients.find(launch.clientId)
    if (!userSide?.launchUrl) throw new Error(`${launch.clientId} has no launch URL`)
    const url = new URL(userSide.launchUrl)
    url.searchParams.set('iss', this.fhirBase)
    url.searchParams.set('launch', this.launchToken(launch))
    return url.href
  }

  /** The true reason of the last refusal. */
  lastReason(): LogEntry | undefined {
    return this.log.at(-1)
  }

  /** Every token that it has given is void, as after a restart of the EHR that nobody told of. */
  forgetTokens(): void {
    this.answers.forget()
  }

  #routes(): void {
    const server = this.#server
    server.addHook('onSend', async (_, reply) => {
      if (!reply.hasHeader('date'))
        reply.header('date', new Date(this.#options.now()).toUTCString())
    })
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body))
    server.all(`${ROOT}/oauth2/token`, async (request, reply) => {
      this.tokenRequests++
      return scripted(this.faults, request, reply, async () => {
        const { delay } = this.#options
        if (delay > 0) await new Promise(done => setTimeout(done, delay))
        return this.#token(request, reply)
      })
    })
    const fhir = `${ROOT}/api/FHIR/R4`
    server.get(`${fhir}/.well-known/smart-configuration`, async ({ headers }) =>
      this.#smartConfiguration(headers['epic-client-id']?.toString()),
    )
    server.get(`${ROOT}/oauth2/.well-known/openid-configuration`, async () => this.#openid())
    server.get(this.#publicKeys, async () => this.idTokens.keySet())
    this.authorization.routes(server, `${ROOT}/oauth2`)
    openChart(server, `${ROOT}/chart`, launch => this.launchUrl(launch))
    // fhir.epic.com answers many paths that it does not have with a page and 200.
    server.setNotFoundHandler((_, reply) =>
      reply.type('text/html').send('<!doctype html><title>Epic on FHIR</title>'),
    )
    fhirServer(server, fhir, token => {
      this.reads++
      return this.answers.find(token)
    })
  }

  #smartConfiguration(clientId: string | undefined) {
    this.discoveries.push(clientId)
    return {
      ...this.#openid(),
      token_endpoint: this.tokenUrls.get(clientId ?? '') ?? this.tokenUrl,
      capabilities: [
        ...['launch-ehr', 'launch-standalone', 'client-confidential-asymmetric'],
        ...['client-confidential-symmetric', 'client-public', 'sso-openid-connect'],
        ...['context-ehr-patient', 'context-ehr-encounter', 'context-standalone-patient'],
        ...['context-banner', 'context-style', 'permission-offline', 'permission-patient'],
        ...['permission-user', 'permission-v1', 'permission-v2', 'authorize-post'],
      ],
    }
  }

  #openid() {
    return {
      issuer: this.issuer,
      authorization_endpoint: this.authorizeUrl,
      token_endpoint: this.tokenUrl,
      jwks_uri: `${this.#origin}${this.#publicKeys}`,
      token_endpoint_auth_methods_supported: [
        'client_secret_post',
        'client_secret_basic',
        'private_key_jwt',
      ],
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      code_challenge_methods_supported: ['S256'],
      ...(this.authorization.tellsIssuer && {
        authorization_response_iss_parameter_supported: true,
      }),
    }
  }

  async #token(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    let clientId: string | null = null
    try {
      const form = tokenForm(request)
      const assertion = form.get('client_assertion') ?? ''
      clientId = claimedClient(assertion)
      const client = await this.#clients.authenticate(clientId, assertion, this)
      const answer = await this.#answer(client, form)
      this.#record(clientId, null)
      reply.header('cache-control', 'no-store')
      return answer
    } catch (error) {
      if (!(error instanceof EpicRefusal)) throw error
      this.#record(clientId, error)
      return reply.code(400).send({ error: REASONS[error.reason], error_description: null })
    }
  }

  #answer(client: Registration, form: URLSearchParams): object | Promise<object> {
    const isBackend = form.get('grant_type') === 'client_credentials'
    if (isBackend !== (client.userSide === undefined))
      throw new EpicRefusal('grant_type_not_of_app')
    if (!isBackend) return this.answers.forPerson(client, form)
    if (!client.userMapped) throw new EpicRefusal('user_not_mapped')
    return this.answers.forBackend(this.#granted(client, form.get('scope') ?? ''))
  }

  #granted({ scopes }: Registration, asked: string): readonly string[] {
    if (this.#options.grants === 'by-app') return scopes
    const granted = asked.split(' ').filter(each => scopes.includes(each))
    if (granted.length === 0) throw new EpicRefusal('scope_not_in_app', asked)
    return granted
  }

  #record(clientId: string | null, refusal: EpicRefusal | null): void {
    const reason = refusal?.reason ?? 'granted'
    this.log.push({ time: this.#options.now(), clientId, reason, detail: refusal?.message ?? '' })
  }
}
