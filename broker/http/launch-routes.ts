import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import { openRecord } from '../audit-record.ts'
import type { Clock } from '../clock.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { LaunchFront } from '../launch/front.ts'
import type { LaunchTarget } from '../launch-config.ts'
import { sameBase } from '../urls.ts'
import { type Cookie, readCookies, writeCookie } from './cookies.ts'
import {
  browserHeaders,
  errorPage,
  explainPage,
  rehearsalPage,
  statusPage,
} from './launch-pages.ts'
import { addressOf } from './peers.ts'
import { bodyOf, logError } from './reply.ts'
import type { Stopping } from './stopping.ts'

export interface LaunchRoutes {
  front: LaunchFront
  publicUrl: string
  debug: boolean
  targets: () => ReadonlyMap<string, LaunchTarget>
  /** SHA-256 of the config in force. */
  generation: () => string
  clock: Clock
  stopping: Pick<Stopping, 'track'>
  /** The parameters of a query, each once; null where one is given twice. */
  onceEach: (query: string) => ReadonlyMap<string, string> | null
}

/** What a browser asks of one upstream, read. */
interface Visit {
  request: FastifyRequest
  reply: FastifyReply
  target: LaunchTarget
  query: ReadonlyMap<string, string>
  cookies: ReadonlyMap<string, string>
}

type Handler = (visit: Visit, routes: LaunchRoutes) => Promise<FastifyReply>

const SESSION = '__Host-lockstep-session.'

/** Seconds for which a browser keeps the session of a lasting connection; that of another ends when it is closed. */
const LASTING = 30 * 24 * 60 * 60

/**
 * `/oauth/<upstream>-authorize`, `-launch`, `-callback`, `-status` and `-disconnect`, and with `debug` also
 * `-authorize-debug` and `-callback-test`. Every answer, refusals too, has the headers of `browserHeaders`; where the
 * browser is sent is never taken from a parameter.
 */
export const launchRoutes: FastifyPluginCallback<LaunchRoutes> = (scope, routes, done) => {
  const { targets, onceEach, debug } = routes
  scope.setErrorHandler((thrown: Error & { statusCode?: number }, request, reply) => {
    const isNobodys = thrown.statusCode !== undefined && thrown.statusCode < 500
    return refuse(isNobodys ? new BrokerError('not_found') : asBrokerError(thrown), request, reply)
  })
  scope.setNotFoundHandler((request, reply) => refuse(new BrokerError('not_found'), request, reply))
  const handle =
    (actions: Readonly<Record<string, Handler>>) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const { name } = request.params as { name: string }
      const action = Object.keys(actions).find(each => name.endsWith(each)) ?? ''
      const target = targets().get(name.slice(0, name.length - action.length))
      const handler = actions[action]
      if (target === undefined || handler === undefined) throw new BrokerError('not_found')
      reply.headers(browserHeaders(target.origins ?? []))
      const { url = '' } = request.raw
      const query = onceEach(url.includes('?') ? url.slice(url.indexOf('?')) : '')
      if (query === null) throw new BrokerError('parameter_twice')
      const cookies = readCookies(request.headers.cookie)
      return handler({ request, reply, target, query, cookies }, routes)
    }
  // A HEAD would spend a state and show nothing for it.
  scope.get(
    '/oauth/:name',
    { exposeHeadRoute: false },
    handle(debug ? { ...SHOWN, ...DEBUG } : SHOWN),
  )
  scope.post('/oauth/:name', handle({ '-disconnect': disconnect }))
  done()
}

const redirectUri = ({ upstream }: LaunchTarget, { publicUrl }: LaunchRoutes): string =>
  `${publicUrl}/oauth/${upstream.id}-callback`

/** What a service gives to have back with the code. It goes into a URL as it is. */
const SERVICE_STATE = /^[A-Za-z0-9._~-]{1,256}$/

const authorize: Handler = async (visit, routes) => {
  const serviceState = visit.query.get('state') ?? null
  if (serviceState !== null && !SERVICE_STATE.test(serviceState))
    throw new BrokerError('launch_state_malformed')
  return sendOut(visit, visit.target, { launch: null, serviceState }, routes)
}

/** Characters. Epic's launch tokens are JWTs of 1 KB; a URL that is longer no server takes. */
const MOST_LAUNCH = 6000

const launch: Handler = async (visit, routes) => {
  const [iss, token] = [visit.query.get('iss'), visit.query.get('launch')]
  if (!iss || !token || token.length > MOST_LAUNCH) throw new BrokerError('launch_token_missing')
  const target = launching(visit.target, iss, routes.targets())
  return sendOut(visit, target, { launch: token, serviceState: null }, routes)
}

/** The upstream of the URL, or else the one of that FHIR base: an app may have one launch URL for many hospitals. */
function launching(
  named: LaunchTarget,
  iss: string,
  targets: ReadonlyMap<string, LaunchTarget>,
): LaunchTarget {
  const base = sameBase(iss)
  const isAt = ({ upstream }: LaunchTarget): boolean => sameBase(upstream.fhirBase) === base
  if (base !== null && isAt(named)) return named
  const [found, ...others] = base === null ? [] : [...targets.values()].filter(isAt)
  if (found === undefined || others.length > 0) throw new BrokerError('launch_iss_unknown')
  return found
}

function sendOut(
  { reply, cookies }: Visit,
  target: LaunchTarget,
  parts: { launch: string | null; serviceState: string | null },
  routes: LaunchRoutes,
): FastifyReply {
  const way = { ...parts, redirectUri: redirectUri(target, routes) }
  const { url, cookie, forget } = routes.front.begin(target, way, cookies)
  for (const name of forget) setCookie(reply, target, { name, value: '', life: 0 })
  setCookie(reply, target, cookie)
  return reply.headers(browserHeaders(target.origins ?? [])).redirect(url, 302)
}

const callback: Handler = async ({ request, reply, target, query, cookies }, routes) => {
  const { front, stopping, clock, generation } = routes
  const record = recordOf('login', request, target, { clock, generation })
  const name = `${SESSION}${target.upstream.id}`
  const coming = { target, cookies, answer: query, redirectUri: redirectUri(target, routes) }
  const { session, handOver, login } = await stopping.track(
    front.finish({ ...coming, session: cookies.get(name) }, record),
  )
  setCookie(reply, target, { name: login, value: '', life: 0 })
  setCookie(reply, target, { name, value: session, life: target.offline ? LASTING : null })
  if (target.service === null || handOver === null)
    return reply.redirect(`/oauth/${target.upstream.id}-status`, 303)
  const back = new URL(target.service.returnUrl)
  back.searchParams.set('code', handOver.code)
  if (handOver.state !== null) back.searchParams.set('state', handOver.state)
  return reply.redirect(back.href, 303)
}

const status: Handler = async ({ request, reply, target, cookies }, { front }) => {
  const session = cookies.get(`${SESSION}${target.upstream.id}`)
  const found = await front.status(target, session)
  reply.header('vary', 'accept, cookie')
  if (wantsPage(request)) return reply.type(HTML).send(statusPage(found))
  return reply.send(found)
}

const disconnect: Handler = async ({ request, reply, target, cookies }, routes) => {
  if (isFromElsewhere(request, routes.publicUrl)) throw new BrokerError('request_cross_site')
  const name = `${SESSION}${target.upstream.id}`
  const record = recordOf('disconnect', request, target, routes)
  await routes.front.disconnect(target, cookies.get(name), record)
  setCookie(reply, target, { name, value: '', life: 0 })
  const statusPath = `/oauth/${target.upstream.id}-status`
  if (wantsPage(request)) return reply.redirect(statusPath, 303)
  return reply.send(await routes.front.status(target, undefined))
}

/**
 * A cookie that comes in frames of other sites says nothing of who wrote the form. The browser does; with
 * `no-referrer` it writes Origin as null, so that one counts only where it does not say Sec-Fetch-Site.
 *
 * @see Fetch Metadata, Sec-Fetch-Site · Fetch §3.2 (Origin)
 */
function isFromElsewhere({ headers }: FastifyRequest, publicUrl: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers
  return site === undefined ? origin !== publicUrl : site !== 'same-origin'
}

const authorizeDebug: Handler = async ({ request, reply, target }, routes) => {
  const explained = await routes.front.explain(target, redirectUri(target, routes))
  if (wantsPage(request)) return reply.type(HTML).send(explainPage(target.upstream.id, explained))
  return reply.send(explained)
}

const callbackTest: Handler = async ({ request, reply, target, query, cookies }, { front }) => {
  const code = await front.rehearse(target, query, cookies)
  const arrived = [...query].map(([name, value]) => ({
    name: name.slice(0, 100),
    shown: PLAIN.has(name) ? value.slice(0, 500) : `${value.length} characters`,
  }))
  if (wantsPage(request))
    return reply.type(HTML).send(rehearsalPage(target.upstream.id, arrived, code))
  return reply.send({ arrived, refused: code })
}

/** What is no secret of an answer. */
const PLAIN = new Set(['iss', 'error'])

const SHOWN: Readonly<Record<string, Handler>> = {
  ...{ '-authorize': authorize, '-launch': launch, '-callback': callback, '-status': status },
}
const DEBUG: Readonly<Record<string, Handler>> = {
  ...{ '-authorize-debug': authorizeDebug, '-callback-test': callbackTest },
}

const HTML = 'text/html; charset=utf-8'

/** A browser that goes to a page says so; a program that asks for anything gets JSON. */
const wantsPage = ({ headers }: FastifyRequest): boolean =>
  headers.accept?.includes('text/html') ?? false

function setCookie(
  reply: FastifyReply,
  { origins }: LaunchTarget,
  cookie: Omit<Cookie, 'isEmbedded'>,
): void {
  reply.header('set-cookie', writeCookie({ ...cookie, isEmbedded: origins !== null }))
}

const recordOf = (
  action: 'login' | 'disconnect',
  request: FastifyRequest,
  { upstream }: LaunchTarget,
  { clock, generation }: Pick<LaunchRoutes, 'clock' | 'generation'>,
) => ({
  ...openRecord(
    ...([action, { id: request.id, address: addressOf(request) }, null] as const),
    ...([{ generation: generation() }, clock] as const),
  ),
  upstream: upstream.id,
})

/** Codes after which another login may help. */
const AGAIN = /^(state_|login_|id_token_|issuer_|upstream_)/

function refuse(error: BrokerError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  logError(request.log, error)
  const { status: code, retryAfter } = error.row
  if (!reply.hasHeader('content-security-policy')) reply.headers(browserHeaders([]))
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  reply.code(code)
  if (!wantsPage(request)) return reply.send(bodyOf(error))
  const { name = '' } = (request.params ?? {}) as { name?: string }
  const upstream = AGAIN.test(error.code) ? name.replace(/-(callback|authorize|launch)$/, '') : null
  return reply.type(HTML).send(errorPage(error, upstream))
}
