import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { Agent, request } from 'undici'
import { type Cause, diagnose } from '../../broker/diagnosis/diagnose.ts'
import type { Facts, KeyFacts, TokenOutcome } from '../../broker/diagnosis/facts.ts'
import { gatherFacts, outcomeOf, type Surroundings } from '../../broker/diagnosis/gather.ts'
import { NO_PAST, type Past } from '../../broker/diagnosis/past.ts'
import { visitWith } from '../../broker/diagnosis/visit.ts'
import { asBrokerError } from '../../broker/errors.ts'
import { PROFILES } from '../../broker/profiles.ts'
import { GOOD_FOR, type Signer } from '../../broker/upstream/assertion.ts'
import { openConnections } from '../../broker/upstream/connections.ts'
import { exchangeWith } from '../../broker/upstream/exchange.ts'
import type { Upstream } from '../../broker/upstream/upstream.ts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { LocalEpic, type LocalEpicOptions } from '../sandbox/local-epic.ts'
import { type Authority, makeAuthority } from './certificates.ts'
import { movedClock } from './clock.ts'
import { type Jwk, once, type Pair, published } from './keys.ts'
import { upstream } from './upstream.ts'

const SCOPE = 'system/Patient.read'

type Key = Signer & KeyFacts & { jwk: Jwk }

/** A key pair that signs as the broker's own keys do, with the JWK that is published of it. */
export function keyOf({ publicKey, privateKey }: Pair, alg: Alg, kid?: string): Key {
  const { jwk, thumbprint } = published({
    ...publicKey.export({ format: 'jwk' }),
    alg,
    ...(kid && { kid }),
  })
  return {
    ...{ kid: jwk.kid, alg, thumbprint, jwk: { ...jwk } },
    signJwt: ({ typ }, claims) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg, kid: jwk.kid, typ }).sign(privateKey),
  }
}

export interface Answer {
  status?: number
  type?: string
  headers?: Record<string, string>
  body?: string
}

/** What stands between the broker and the EHR. */
export interface Between {
  /** A certificate that the broker does not trust, as one who intercepts has. */
  isStranger?: boolean
  /** Sends each POST twice, and hands on the second reply. */
  repeats?: boolean
  alters?: (form: URLSearchParams) => void
}

/** A hospital with its Epic, our key set at a URL, and one upstream of ours, all to be spoiled by a test. */
export interface Hospital {
  epic: LocalEpic
  /** Ours; the hospital has another. */
  clock: ReturnType<typeof movedClock>
  epicClock: ReturnType<typeof movedClock>
  key: Key
  upstream: Upstream
  others: Upstream[]
  pasts: Map<string, Past>
  /** Seconds since the config changed. */
  configAge: number
  setUrl: string
  setUrls: Surroundings['setUrls']
  /** What the site answers, by path; `/set.json` is the URL that is registered. */
  site: Map<string, Answer>
  publish: (...jwks: Jwk[]) => void
  register: (more?: Partial<Parameters<LocalEpic['register']>[0]>) => Promise<void>
  /** From now on the broker reaches the EHR through this. */
  putBetween: (between: Between) => Promise<void>
  /** Asks for a token, then looks around and says why not. `reason` is the truth, by Epic's own log. */
  consult: (asks?: boolean) => Promise<{ reason: string; facts: Facts; causes: Cause[] }>
  close: () => Promise<void>
}

const authorities = once(async () => [await makeAuthority(), await makeAuthority()] as const)

export async function makeHospital(
  key: Key,
  options: Partial<LocalEpicOptions> = {},
): Promise<Hospital> {
  const [authority, stranger] = await authorities()
  const [clock, epicClock] = [movedClock(), movedClock()]
  const site = new Map<string, Answer>()
  const siteServer = await serve(await authority.issue(), async path => site.get(path) ?? NOWHERE)
  const epic = new LocalEpic({
    ...{ tls: await authority.issue(), ca: authority.ca, now: epicClock.now, ...options },
  })
  await epic.start()
  const closing: (() => Promise<unknown>)[] = [() => epic.stop(), siteServer.close]
  const setUrl = `${siteServer.origin}/set.json`
  const hospital: Hospital = {
    ...{ epic, clock, epicClock, key, site, setUrl },
    upstream: upstream({
      ...{ id: 'here', fhirBase: epic.fhirBase, tokenEndpoint: epic.tokenUrl, scopes: [SCOPE] },
      ...{ clientId: 'app', profileName: 'epic', profile: PROFILES.epic, ca: authority.ca },
      alg: key.alg as Alg,
    }),
    others: [],
    pasts: new Map(),
    configAge: 30 * 24 * 3600,
    setUrls: new Map([['nonprod', setUrl]]),
    publish: (...jwks) => void site.set('/set.json', { body: JSON.stringify({ keys: jwks }) }),
    register: more =>
      epic.register({
        ...{ clientId: 'app', environment: 'nonprod', jwksUrl: setUrl, scopes: [SCOPE] },
        ...more,
      }),
    putBetween: async between => {
      const tls = await (between.isStranger ? stranger : authority).issue()
      const gate = await forward(tls, new URL(epic.tokenUrl).origin, authority.ca, between)
      closing.push(gate.close)
      const { upstream: now } = hospital
      hospital.upstream = {
        ...now,
        fhirBase: now.fhirBase.replace(new URL(now.fhirBase).origin, gate.origin),
        tokenEndpoint: now.tokenEndpoint.replace(new URL(now.tokenEndpoint).origin, gate.origin),
      }
    },
    consult: (asks = true) => consult(hospital, authority, asks),
    close: async () => void (await Promise.all(closing.map(close => close()))),
  }
  hospital.publish(key.jwk)
  await hospital.register()
  return hospital
}

async function consult(
  hospital: Hospital,
  { ca }: Authority,
  asks: boolean,
): ReturnType<Hospital['consult']> {
  const { epic, clock, key, upstream: here, others, pasts, configAge } = hospital
  const before = epic.log.length
  const connections = openConnections()
  const exchange = exchangeWith({
    heed: async () => {},
    ...{ clock: clock.clock, newJti: randomUUID, signerFor: () => hospital.key },
    postFor: connections.postFor,
    ...{ onDate: () => {}, onSigning: () => {}, onAnswer: () => {} },
  })
  const outcome: TokenOutcome = asks
    ? await exchange(here, here.scopes).then(
        () => outcomeOf(null),
        error => outcomeOf(asBrokerError(error)),
      )
    : { outcome: 'not_asked' }
  await connections.close()
  const reason = epic.log.slice(before).at(-1)?.reason ?? 'nothing_arrived'
  const visit = visitWith(() => performance.now())
  const facts = await gatherFacts(here, outcome, {
    upstreams: new Map([here, ...others].map(each => [each.id, each])),
    setUrls: hospital.setUrls,
    configChanged: clock.now() - configAge * 1000,
    assertion: GOOD_FOR,
    keyOf: () => key,
    past: id => pasts.get(id) ?? NO_PAST,
    visit: (url, headers, own) => visit(url, headers, own ?? ca),
    now: clock.now,
  })
  return { reason, facts, causes: diagnose(facts) }
}

const NOWHERE: Answer = { status: 404, type: 'text/html', body: '<!doctype html>not found' }

type Tls = { cert: string; key: string }
type Handler = (path: string, post: { body: string } | null) => Promise<Answer>

async function serve(tls: Tls, handle: Handler) {
  const server: Server = createServer(tls, async (incoming, reply) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part)
    const isPost = incoming.method === 'POST'
    const { status, type, headers, body } = await handle(
      incoming.url ?? '/',
      isPost ? { body: Buffer.concat(parts).toString() } : null,
    )
    reply.writeHead(status ?? 200, {
      'content-type': type ?? 'application/json',
      'cache-control': 'no-store',
      ...headers,
    })
    reply.end(body ?? '')
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  }
  return { origin: `https://localhost:${(server.address() as AddressInfo).port}`, close }
}

/** A gateway, which says so (RFC 9110 §7.6.3), and shows the EHR's own URLs as its own. */
async function forward(tls: Tls, target: string, ca: string, between: Between) {
  const dispatcher = new Agent({ connect: { ca } })
  const send = async (path: string, post: { body: string } | null): Promise<Answer> => {
    const { statusCode, headers, body } = await request(`${target}${path}`, {
      ...{ dispatcher, method: post ? 'POST' : 'GET' },
      ...(post && {
        ...{ body: post.body, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      }),
    })
    const text = await body.text()
    return {
      ...{ status: statusCode, type: String(headers['content-type']) },
      headers: { via: '1.1 gateway', date: String(headers['date']) },
      body: text.replaceAll(target, gate.origin),
    }
  }
  const gate = await serve(tls, async (path, post) => {
    const form = new URLSearchParams(post?.body)
    between.alters?.(form)
    const sent = post && { body: form.toString() }
    if (sent && between.repeats) await send(path, sent)
    return send(path, sent)
  })
  const close = async (): Promise<void> => {
    await gate.close()
    await dispatcher.destroy()
  }
  return { origin: gate.origin, close }
}
