import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import { createSecureContext, type Server as SecureServer } from 'node:tls'
import etag from '@fastify/etag'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import {
  type Access,
  boundedAgent,
  boundedPath,
  type LogLine,
  senderOf,
  sitePathOf,
} from './access-log.ts'
import { type Connections, watchConnections } from './connections.ts'
import { finding, PipelineError } from './errors.ts'
import { type CACHE, headersOf } from './headers.ts'
import { addressIn, isWithin, type Network } from './networks.ts'
import type { Show } from './pipeline.ts'
import type { Site } from './render.ts'

export interface Served {
  cache: (typeof CACHE)[keyof typeof CACHE]
  tls?: Identity | undefined
  /** Proxies whose X-Forwarded-For is believed. */
  trusted?: readonly Network[]
  now: () => number
  log: (line: LogLine) => void
}

export interface Identity {
  cert: Buffer
  key: Buffer
}

const METHODS = ['GET', 'HEAD']

/**
 * Milliseconds. A client that dribbles holds no connection for long; one that is done is kept for longer than proxies
 * keep theirs (60 s mostly), or a proxy would ask on a connection that we are closing, and answer 502.
 */
const PATIENCE = { requestTimeout: 10_000, connectionTimeout: 30_000, keepAliveTimeout: 75_000 }
const LIMITS = {
  headersTimeout: PATIENCE.requestTimeout,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 16 * 1024,
  // Answered by `refusal`, since what Node answers by itself is in no log.
  requireHostHeader: false,
}
/** Connections at once; hundreds of hospitals make a handful a minute. */
const MOST_CONNECTIONS = 2000

/**
 * The site over HTTP or HTTPS, byte for byte, with the headers of design §4; `site` is asked for each request, and a
 * request is answered from one site. Every answer and every connection without one has a line in the log. Returned
 * unlistened.
 */
export async function buildServer(
  site: () => Site,
  { cache, tls, trusted = [], now, log }: Served,
): Promise<FastifyInstance> {
  const options = {
    ...PATIENCE,
    // Who is heard is answered, also while the server stops.
    return503OnClosing: false,
    ...(trusted.length > 0 && { trustProxy: (peer: string) => isTrusted(peer, trusted) }),
    // One route for all: the framework's router has answers of its own, which no log would have.
    rewriteUrl: () => '/',
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) =>
      endConnection(error, socket, connections),
  }
  const server: FastifyInstance = tls
    ? (fastify({ ...options, https: { ...LIMITS, ...TLS, ...tls } }) as unknown as FastifyInstance)
    : fastify({ ...options, http: LIMITS })
  server.server.maxConnections = MOST_CONNECTIONS
  const connections = watchConnections(server.server, {
    secure: tls !== undefined,
    tell: ({ address, reason, quiet }) => {
      if (quiet && address !== null && isWithin(address, trusted)) return
      log({ time: iso(now), event: 'connection_failed', address, reason })
    },
  })
  // An expectation may be ignored (RFC 9110 §10.1.1); what Node would answer is in no log.
  server.server.on('checkExpectation', (...asked) => server.server.emit('request', ...asked))

  server.addHook('onRequest', async (request, reply) => {
    connections.asked(request.socket)
    const asked = askedIn(request)
    // Not by the hook onResponse, which never hears of an answer that broke off.
    finished(reply.raw, brokenOff => {
      const { statusCode: status } = reply
      const sendsNothing = brokenOff != null || asked.method === 'HEAD' || status === 304
      const bytes = sendsNothing ? 0 : Number(reply.getHeader('content-length') ?? 0)
      log({ time: iso(now), ...asked, status, bytes })
    })
    const refused = refusal(request)
    if (refused === null) return
    reply.code(refused.status).headers({ ...refused.headers, Connection: 'close' })
    return reply.type('text/plain; charset=utf-8').send(`${refused.text}\n`)
  })
  await server.register(etag, { algorithm: 'sha256', replyWith304: false })
  server.addHook('onSend', async ({ headers }, reply, payload) => {
    const known = isKnown(headers['if-none-match'], String(reply.getHeader('etag')))
    if (reply.statusCode !== 200 || !known) return payload
    reply.code(304)
    return ''
  })
  server.get('/', (request, reply) => answer(site(), sitePathOf(request.originalUrl), cache, reply))
  return server
}

/** What we do not answer with the site, whatever the path. */
function refusal({ method, headers, raw }: FastifyRequest) {
  if (!METHODS.includes(method))
    return { status: 405, headers: { Allow: METHODS.join(', ') }, text: 'Only GET and HEAD' }
  if (raw.httpVersion === '1.1' && headers.host === undefined)
    return { status: 400, headers: {}, text: 'A Host header is missing' }
  return null
}

function answer(
  site: Site,
  path: string,
  cache: Served['cache'],
  reply: FastifyReply,
): FastifyReply {
  const text = site.get(path)
  const shownPath = text === undefined ? '404.html' : path
  return (
    reply
      .code(text === undefined ? 404 : 200)
      .headers(headersOf(shownPath, cache, site.get(shownPath)))
      // As bytes: to text Fastify would add a charset, which application/json does not have.
      .send(Buffer.from(site.get(shownPath) ?? 'Not found\n'))
  )
}

const TLS = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const

/** A certificate that was renewed, for the connections that begin from now on. */
export function takeIdentity(server: FastifyInstance, { cert, key }: Identity): void {
  const secure = server.server as unknown as SecureServer
  secure.setSecureContext({ cert, key, minVersion: TLS.minVersion })
}

function isTrusted(peer: string, trusted: readonly Network[]): boolean {
  const address = addressIn(peer)
  return address !== null && isWithin(address, trusted)
}

/** By the parser's or the timer's code; everything else that is no request is 400. */
const STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

function endConnection(
  { code = 'no code' }: NodeJS.ErrnoException,
  socket: Socket,
  connections: Connections,
): void {
  // Who went away is told of when the connection is closed, if nothing was asked on it.
  if (code !== 'ECONNRESET' && code !== 'EPIPE') connections.refused(socket, code)
  if (/^(HPE|ERR_HTTP)_/.test(code) && socket.writable)
    socket.end(
      `HTTP/1.1 ${STATUS[code] ?? '400 Bad Request'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    )
  else socket.destroy()
}

/** Read when the request comes: of a socket that was reset the address is gone. */
function askedIn(request: FastifyRequest): Omit<Access, 'time' | 'status' | 'bytes'> {
  const { headers, method, originalUrl, ips, socket } = request
  const { 'user-agent': agent, 'x-forwarded-for': forwarded } = headers
  return {
    ...senderOf(ips ?? [socket.remoteAddress], forwarded?.toString()),
    ...{ userAgent: boundedAgent(agent), method, path: boundedPath(originalUrl) },
  }
}

/** @see RFC 9110 §13.1.2: a list, compared weakly, or `*` for whatever there is. */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const named = ifNoneMatch?.match(/(?:W\/)?"[^"]*"|\*/g) ?? []
  return named.some(each => each === '*' || each.replace(/^W\//, '') === etag)
}

const iso = (now: () => number): string => new Date(now()).toISOString()

/** Where it listens. Refused: `address_unusable`. */
export async function listenOn(
  server: FastifyInstance,
  host: string,
  port: number,
): Promise<string> {
  try {
    // For `localhost` Fastify makes a second server, which would never hear of a renewed certificate.
    return await server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new PipelineError(
      finding('address_unusable', `${host}:${port}`, `cannot be listened on (${code})`),
    )
  }
}

/** A certificate chain and its private key. Refused: `tls_unusable`. */
export function readIdentity(certFile: string, keyFile: string, show: Show): Identity {
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new PipelineError(finding('tls_unusable', show(file), `cannot be read (${code})`))
    }
  }
  const [cert, key] = [read(certFile), read(keyFile)]
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      createSecureContext({ cert, key })
      return { cert, key }
    }
  } catch {
    throw new PipelineError(
      finding(
        'tls_unusable',
        show(certFile),
        'not a certificate and its private key in PEM that TLS takes',
      ),
    )
  }
  throw new PipelineError(
    finding('tls_unusable', show(keyFile), 'not the private key of the certificate'),
  )
}
