import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Server as SecureServer } from 'node:tls'
import etag from '@fastify/etag'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { boundedAgent, boundedPath, type LogLine, senderOf, sitePathOf } from './access-log.ts'
import { finding, PipelineError, refuseAny } from './errors.ts'
import { type CACHE, headersOf } from './headers.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'
import { addressIn, isWithin, type Network } from './networks.ts'
import type { Judgement, Show } from './pipeline.ts'
import { render, type Site, type Templates } from './render.ts'
import type { Settings } from './settings.ts'

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

const METHODS = 'GET, HEAD'

/** Milliseconds: a client that dribbles, or stays and asks nothing, holds no connection for long. */
const PATIENCE = { requestTimeout: 10_000, keepAliveTimeout: 10_000, connectionTimeout: 30_000 }
/** Connections at once; hundreds of hospitals make a handful a minute. */
const MOST_CONNECTIONS = 2000

/**
 * The site over HTTP or HTTPS, byte for byte, with the headers of design §4; `site` is asked for each request, and a
 * request is answered from one site. Returned unlistened.
 */
export async function buildServer(
  site: () => Site,
  { cache, tls, trusted = [], now, log }: Served,
): Promise<FastifyInstance> {
  const options = {
    ...PATIENCE,
    ...(trusted.length > 0 && { trustProxy: trustIn(trusted) }),
    clientErrorHandler: refuseHalfRequest(now, log),
  }
  const server: FastifyInstance = tls
    ? (fastify({
        ...options,
        https: { ...tls, minVersion: 'TLSv1.2' },
      }) as unknown as FastifyInstance)
    : fastify(options)
  server.server.maxConnections = MOST_CONNECTIONS
  server.server.on('drop', (data?: { remoteAddress?: string }) => {
    const address = addressIn(data?.remoteAddress)
    log({ time: iso(now), event: 'connection_failed', address, reason: 'too many connections' })
  })
  await server.register(etag, { algorithm: 'sha256' })
  // Nothing that is sent to us is of any use, so it is not kept either.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (_, payload, done) => {
    payload.resume()
    done(null)
  })
  server.get('/*', (request, reply) =>
    answer(site(), sitePathOf(request.raw.url ?? '/'), cache, reply),
  )
  server.setNotFoundHandler((request, reply) =>
    METHODS.includes(request.method)
      ? answer(site(), sitePathOf(request.raw.url ?? '/'), cache, reply)
      : reply
          .code(405)
          .header('Allow', METHODS)
          .type('text/plain; charset=utf-8')
          .send('Only GET and HEAD\n'),
  )
  server.addHook('onResponse', async (request, reply) => {
    log({
      time: iso(now),
      ...senderOf(request.ips ?? [request.socket.remoteAddress], forwardedIn(request)),
      userAgent: boundedAgent(request.headers['user-agent']),
      method: request.method,
      path: boundedPath(request.raw.url ?? ''),
      status: reply.statusCode,
      bytes: sentBytes(request, reply),
    })
  })
  return server
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

/** A certificate that was renewed, for the connections that begin from now on. */
export function takeIdentity(server: FastifyInstance, { cert, key }: Identity): void {
  const secure = server.server as unknown as SecureServer
  secure.setSecureContext({ cert, key, minVersion: 'TLSv1.2' })
}

const trustIn =
  (networks: readonly Network[]) =>
  (address: string): boolean => {
    const read = addressIn(address)
    return read !== null && isWithin(read, networks)
  }

const forwardedIn = ({ headers }: FastifyRequest): string | undefined => {
  const { 'x-forwarded-for': header } = headers
  return Array.isArray(header) ? header.join(',') : header
}

/** What never became a request is told too: a hospital whose TLS does not fit ours shows nowhere else. */
function refuseHalfRequest(now: () => number, log: Served['log']) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    log({ time: iso(now), event: 'connection_failed', ...failureOf(error, socket) })
    if (socket.writable && error.code !== 'ECONNRESET')
      socket.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    socket.destroy(error)
  }
}

const failureOf = ({ code, name }: NodeJS.ErrnoException, { remoteAddress }: Socket) => ({
  address: addressIn(remoteAddress),
  reason: code ?? name,
})

function sentBytes({ method }: FastifyRequest, reply: FastifyReply): number {
  if (method === 'HEAD' || reply.statusCode === 304) return 0
  if (reply.raw.destroyed && !reply.raw.writableFinished) return 0
  return Number(reply.getHeader('content-length') ?? 0)
}

const iso = (now: () => number): string => new Date(now()).toISOString()

/** Where it listens. Refused: `address_unusable`. */
export async function listenOn(
  server: FastifyInstance,
  host: string,
  port: number,
): Promise<string> {
  try {
    return await server.listen({ host, port })
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
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key }
  } catch {
    throw new PipelineError(
      finding('tls_unusable', show(certFile), 'not a certificate and its private key in PEM'),
    )
  }
  throw new PipelineError(
    finding('tls_unusable', show(keyFile), 'not the private key of the certificate'),
  )
}

/** The site as `serve --dev` shows it: built in memory, with a throw-away key where nonprod has none. */
export function devSite(
  judgement: Judgement,
  settings: Settings,
  templates: Templates,
  note: (text: string) => void,
): Site {
  refuseAny(judgement.findings.filter(each => each.code !== 'set_empty'))
  const { production, nonprod } = judgement.environments
  if (nonprod.keys.length > 0) return render(judgement.environments, settings, templates, null)
  note(
    'dev: there is no nonprod key, so one was made that signs nothing and is gone when this stops',
  )
  return render(
    { production, nonprod: { ...nonprod, keys: [devKey()] } },
    settings,
    templates,
    null,
  )
}

/** A throw-away key for `serve --dev`; its private half is gone when this returns. `build` refuses its kid. */
function devKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { key } = toPublicKey(publicKey.export({ format: 'jwk' }), '(in memory)')
  if (key === null) throw new Error('a key without findings is a key')
  return { ...key, jwk: { ...key.jwk, kid: `dev-${key.thumbprint.slice(0, 12)}` } }
}
