import { randomBytes, randomUUID } from 'node:crypto'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { checkClaims, checkSignature, checkWithStatic, claimedClient } from './assertion-rules.ts'
import { type FetchedKey, KeySetCache } from './key-set-cache.ts'
import { EpicRefusal, REASONS, type Reason } from './refusal.ts'

/** An app as it is registered: non-production and production client IDs are different records. */
export interface Registration {
  clientId: string
  environment: 'production' | 'nonprod'
  jwksUrl: string
  /** The "Incoming APIs" of the app: granted whole, whatever is asked. */
  scopes: readonly string[]
  /** A hospital maps each backend client to a background user; the sandbox does so by itself. */
  userMapped?: boolean
  /** Milliseconds since the epoch from which the record has reached this server. */
  syncedAt?: number
  /** Keys that were uploaded to this record once, and win over the URL until somebody removes them. */
  staticKeys?: readonly FetchedKey[]
  /** From May 2026 on a hospital enters the app's URL in its own system too ("local JKU"). */
  isUrlEntered?: boolean
}

/** What the next token requests get instead of an answer, one each. */
export type Fault = (request: FastifyRequest, reply: FastifyReply) => unknown

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

/** An authorization and FHIR server that behaves as Epic's documents say, and says no as Epic says no. */
export class LocalEpic {
  readonly faults: Fault[] = []
  readonly log: LogEntry[] = []
  readonly keySets: KeySetCache
  /** What the hospital's admins have allowed as aud beside the token endpoint, as behind a proxy. */
  readonly audiences: string[] = []
  /** This hospital is at Epic's version of May 2026 or later. */
  asksForLocalUrl = false
  /** How many token requests arrived, faults included. */
  tokenRequests = 0
  /** The `Epic-Client-ID` of each look at the smart-configuration. */
  readonly discoveries: (string | undefined)[] = []
  /** Endpoints that are overridden for a client ID: it is given other ones than a stranger. */
  readonly tokenUrls = new Map<string, string>()

  readonly #server: FastifyInstance
  readonly #options: Required<LocalEpicOptions>
  readonly #clients = new Map<string, Registration>()
  readonly #tokens = new Map<string, { until: number; scopes: readonly string[] }>()
  readonly #seen = new Map<string, number>()
  #origin = ''

  constructor(options: LocalEpicOptions) {
    this.#options = {
      ...{ environment: 'nonprod', now: Date.now, tokenLife: 3600, delay: 0, grants: 'by-app' },
      ...options,
    }
    this.keySets = new KeySetCache(options.ca, this.#options.now)
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
    return `${this.#origin}/interconnect-fhir-oauth/oauth2/token`
  }

  get fhirBase(): string {
    return `${this.#origin}/interconnect-fhir-oauth/api/FHIR/R4`
  }

  /** What the portal does when the record is saved: TLS, public, no authentication, a key set. @throws EpicRefusal */
  async register(registration: Registration): Promise<void> {
    if (!registration.jwksUrl.startsWith('https://'))
      throw new EpicRefusal('key_set_unreachable', 'not https')
    await this.keySets.fetch(registration.jwksUrl)
    this.#clients.set(registration.clientId, { userMapped: true, syncedAt: 0, ...registration })
  }

  /** The true reason of the last refusal. */
  lastReason(): LogEntry | undefined {
    return this.log.at(-1)
  }

  /** Every token that it has given is void, as after a restart of the EHR that nobody told of. */
  forgetTokens(): void {
    this.#tokens.clear()
  }

  #routes(): void {
    const server = this.#server
    server.addHook('onSend', async (_, reply) => {
      if (!reply.hasHeader('date'))
        reply.header('date', new Date(this.#options.now()).toUTCString())
    })
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body))
    server.all('/interconnect-fhir-oauth/oauth2/token', async (request, reply) => {
      this.tokenRequests++
      const fault = this.faults.shift()
      if (fault) return fault(request, reply)
      if (this.#options.delay > 0) await new Promise(done => setTimeout(done, this.#options.delay))
      return this.#token(request, reply)
    })
    const base = '/interconnect-fhir-oauth/api/FHIR/R4'
    server.get(`${base}/.well-known/smart-configuration`, async request =>
      this.#smartConfiguration(request),
    )
    // fhir.epic.com answers many paths that it does not have with a page and 200.
    server.setNotFoundHandler((_, reply) =>
      reply.type('text/html').send('<!doctype html><title>Epic on FHIR</title>'),
    )
    server.get(`${base}/metadata`, async () => ({
      resourceType: 'CapabilityStatement',
      fhirVersion: '4.0.1',
    }))
    server.get<{ Params: { id: string } }>(`${base}/Patient/:id`, async (request, reply) => {
      const denied = this.#deny(request, reply, 'Patient')
      if (denied) return denied
      return {
        resourceType: 'Patient',
        id: request.params.id,
        name: [{ family: 'Lopez', given: ['Camila'] }],
      }
    })
  }

  #smartConfiguration({ headers }: FastifyRequest) {
    const clientId = headers['epic-client-id']?.toString()
    this.discoveries.push(clientId)
    return {
      issuer: `${this.#origin}/interconnect-fhir-oauth/oauth2`,
      token_endpoint: this.tokenUrls.get(clientId ?? '') ?? this.tokenUrl,
      token_endpoint_auth_methods_supported: [
        'client_secret_post',
        'client_secret_basic',
        'private_key_jwt',
      ],
      grant_types_supported: ['authorization_code', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
      capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
    }
  }

  async #token(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    let clientId: string | null = null
    try {
      const form = formOf(request)
      clientId = claimedClient(form.get('client_assertion') ?? '')
      const client = await this.#authenticate(clientId, form.get('client_assertion') ?? '')
      if (!client.userMapped) throw new EpicRefusal('user_not_mapped')
      const scopes = this.#granted(client, form.get('scope') ?? '')
      const accessToken = randomBytes(32).toString('base64url')
      const { tokenLife, now } = this.#options
      this.#tokens.set(accessToken, { until: now() + tokenLife * 1000, scopes })
      this.#record(clientId, 'granted', '')
      reply.header('cache-control', 'no-store')
      return {
        access_token: accessToken,
        token_type: 'bearer',
        expires_in: tokenLife,
        scope: scopes.join(' '),
      }
    } catch (error) {
      if (!(error instanceof EpicRefusal)) throw error
      this.#record(clientId, error.reason, error.message)
      return reply.code(400).send({ error: REASONS[error.reason], error_description: null })
    }
  }

  async #authenticate(clientId: string, assertion: string): Promise<Registration> {
    const { environment, now } = this.#options
    const client = this.#clients.get(clientId)
    if (!client) throw new EpicRefusal('client_unknown')
    if (client.environment !== environment) throw new EpicRefusal('client_of_other_environment')
    if ((client.syncedAt ?? 0) > now()) throw new EpicRefusal('client_not_synced')
    if (client.staticKeys) await checkWithStatic(assertion, client.staticKeys)
    else if (this.asksForLocalUrl && !client.isUrlEntered) throw new EpicRefusal('url_not_entered')
    else await checkSignature(assertion, client.jwksUrl, this.keySets)
    const { tokenUrl, audiences } = this
    const jti = checkClaims(assertion, { clientId, tokenUrl, audiences, now: now() })
    const seen = `${clientId} ${jti}`
    if ((this.#seen.get(seen) ?? 0) > now()) throw new EpicRefusal('jti_replayed')
    this.#seen.set(seen, now() + 300_000)
    return client
  }

  #granted({ scopes }: Registration, asked: string): readonly string[] {
    if (this.#options.grants === 'by-app') return scopes
    const granted = asked.split(' ').filter(each => scopes.includes(each))
    if (granted.length === 0) throw new EpicRefusal('scope_not_in_app', asked)
    return granted
  }

  /** The FHIR server's own no. */
  #deny(request: FastifyRequest, reply: FastifyReply, resource: string): FastifyReply | null {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const issued = this.#tokens.get(token)
    if (!issued || issued.until <= this.#options.now()) {
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer error="invalid_token"')
        .send({ request: randomUUID() })
    }
    if (
      issued.scopes.some(scope => scope.toLowerCase() === `system/${resource}.read`.toLowerCase())
    )
      return null
    const header =
      'Bearer error="insufficient_scope", error_description="The access token provided is valid, but is not authorized for this service"'
    return reply.code(403).header('www-authenticate', header).send({ request: randomUUID() })
  }

  #record(clientId: string | null, reason: LogEntry['reason'], detail: string): void {
    this.log.push({ time: this.#options.now(), clientId, reason, detail })
  }
}

function formOf(request: FastifyRequest): URLSearchParams {
  if (request.method !== 'POST') throw new EpicRefusal('method_not_post')
  if (request.url.includes('?')) throw new EpicRefusal('parameters_in_url')
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) throw new EpicRefusal('body_not_form')
  const form = new URLSearchParams(String(request.body ?? ''))
  if (new Set(form.keys()).size < [...form.keys()].length) throw new EpicRefusal('parameter_twice')
  const grantType = form.get('grant_type')
  if (grantType === null) throw new EpicRefusal('grant_type_missing')
  if (grantType !== 'client_credentials') throw new EpicRefusal('grant_type_unsupported')
  if (form.get('client_assertion') === null) throw new EpicRefusal('assertion_missing')
  if (
    form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  ) {
    throw new EpicRefusal('assertion_type_wrong')
  }
  return form
}
