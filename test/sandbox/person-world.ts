import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Agent, request } from 'undici'
import { CACHE } from '../../keys-pipeline/headers.ts'
import { buildServer } from '../../keys-pipeline/serve.ts'
import { makeAuthority } from '../support/certificates.ts'
import { type MovedClock, movedClock } from '../support/clock.ts'
import { LocalEpic, type LocalEpicOptions } from './local-epic.ts'
import { PASSWORD } from './people.ts'
import { ScriptedBrowser } from './scripted-browser.ts'

const CAMILA = 'erXuFYUfucBZaryVksYEcMg3'
export const CALLBACK = 'https://app.example.com/callback'
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export interface Answer {
  status: number
  headers: Record<string, unknown>
  /** JSON, or an empty object. */
  body: Record<string, unknown>
  text: string
}

/** The local Epic with an app for people, `app`, and one for backend systems, `backend`; and a person's browser. */
export interface PersonWorld {
  epic: LocalEpic
  clock: MovedClock
  ca: string
  verifier: string
  /** What an app asks at the authorization endpoint; undefined leaves a parameter out. */
  ask: (more?: Record<string, string | undefined>) => URLSearchParams
  get: (url: string, headers?: Record<string, string>) => Promise<Answer>
  post: (url: string, form: URLSearchParams | Record<string, string>) => Promise<Answer>
  /** Signs in, chooses the patient where asked, and decides: what the app gets to its redirect URI. */
  goThrough: (ask: URLSearchParams, how?: { name?: string; decision?: string }) => Promise<URL>
  /** The token endpoint, with an assertion of the app. */
  exchange: (form: Record<string, string>, clientId?: string) => Promise<Answer>
  /** From the ask to the tokens. */
  connect: (more?: Record<string, string | undefined>) => Promise<Answer>
  register: (more?: Partial<Parameters<LocalEpic['register']>[0]>) => Promise<void>
  close: () => Promise<void>
}

export async function personWorld(options: Partial<LocalEpicOptions> = {}): Promise<PersonWorld> {
  const authority = await makeAuthority()
  const clock = movedClock()
  const { publicKey, privateKey } = await generateKeyPair('ES384', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES384', use: 'sig' }
  const { cert, key } = await authority.issue()
  const site = await buildServer(() => new Map([['jwks.json', JSON.stringify({ keys: [jwk] })]]), {
    cache: CACHE.published,
    tls: { cert: Buffer.from(cert), key: Buffer.from(key) },
    now: () => 0,
    log: () => {},
  })
  const origin = (await site.listen({ host: '127.0.0.1', port: 0 })).replace(
    '127.0.0.1',
    'localhost',
  )
  const tls = await authority.issue()
  const epic = await new LocalEpic({ tls, ca: authority.ca, now: clock.now, ...options }).start()
  const dispatcher = new Agent({ connect: { ca: authority.ca } })
  const register: PersonWorld['register'] = more =>
    epic.register({
      ...{ clientId: 'app', environment: 'nonprod', jwksUrl: `${origin}/jwks.json` },
      scopes: ['user/Patient.read'],
      userSide: {
        ...{ redirectUris: [CALLBACK], isPersistent: true },
        launchUrl: 'https://app.example.com/launch',
      },
      ...more,
    })
  await register()
  await epic.register({
    ...{ clientId: 'backend', environment: 'nonprod', jwksUrl: `${origin}/jwks.json` },
    scopes: ['system/Patient.read'],
  })
  const verifier = randomBytes(32).toString('base64url')
  const calls = callsWith(dispatcher)
  const exchange: PersonWorld['exchange'] = async (form, clientId = 'app') =>
    calls.post(epic.tokenUrl, {
      ...{ client_assertion_type: ASSERTION_TYPE },
      client_assertion: await assertion(privateKey, clientId, epic.tokenUrl, clock.now()),
      ...form,
    })
  const ask: PersonWorld['ask'] = more => askOf(epic, verifier, more)
  const browser = new ScriptedBrowser(authority.ca, url => url.href.startsWith(CALLBACK))
  const goThrough: PersonWorld['goThrough'] = async (asked, how) => {
    const typed = { ...{ name: 'wilbur', password: PASSWORD, decision: 'allow' }, ...how }
    const at = await browser.goThrough(`${epic.authorizeUrl}?${asked}`, {
      patient: CAMILA,
      ...typed,
    })
    if (!at.url.href.startsWith(CALLBACK)) throw new Error(`${at.status}\n${at.text}`)
    return at.url
  }
  return {
    ...{ epic, clock, ca: authority.ca, verifier, ask, goThrough, exchange, register, ...calls },
    connect: async more => {
      const back = await goThrough(ask(more))
      const code = back.searchParams.get('code') ?? ''
      return exchange({ grant_type: 'authorization_code', code, ...redeeming(verifier) })
    },
    close: async () => {
      await epic.stop()
      await site.close()
      await dispatcher.close()
      await browser.close()
    },
  }
}

export const redeeming = (verifier: string) => ({ redirect_uri: CALLBACK, code_verifier: verifier })

function askOf(
  epic: LocalEpic,
  verifier: string,
  more: Record<string, string | undefined> = {},
): URLSearchParams {
  const parameters = {
    ...{ response_type: 'code', client_id: 'app', redirect_uri: CALLBACK, aud: epic.fhirBase },
    ...{ scope: 'openid fhirUser offline_access', state: 'a-state', nonce: 'a-nonce' },
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  }
  const said = Object.entries(parameters).filter(
    (each): each is [string, string] => each[1] !== undefined,
  )
  return new URLSearchParams(said)
}

function assertion(key: CryptoKey, clientId: string, aud: string, now: number): Promise<string> {
  const seconds = Math.floor(now / 1000)
  return new SignJWT({
    ...{ iss: clientId, sub: clientId, aud, jti: randomUUID() },
    ...{ iat: seconds - 60, nbf: seconds - 60, exp: seconds + 240 },
  })
    .setProtectedHeader({ alg: 'ES384', kid: 'one', typ: 'JWT' })
    .sign(key)
}

function callsWith(dispatcher: Agent): Pick<PersonWorld, 'get' | 'post'> {
  const send = async (url: string, options: object): Promise<Answer> => {
    const { statusCode, headers, body } = await request(url, { ...options, dispatcher })
    const text = await body.text()
    const isJson = String(headers['content-type']).includes('json')
    return { status: statusCode, headers, text, body: isJson ? JSON.parse(text) : {} }
  }
  const type = 'application/x-www-form-urlencoded'
  return {
    get: (url, headers = {}) => send(url, { method: 'GET', headers }),
    post: (url, form) =>
      send(url, {
        ...{ method: 'POST', headers: { 'content-type': type } },
        body: new URLSearchParams(form).toString(),
      }),
  }
}
