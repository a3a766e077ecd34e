import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import etag from '@fastify/etag'
import fastify, { type FastifyInstance } from 'fastify'
import { finding, PipelineError, refuseAny } from './errors.ts'
import { type CACHE, headersOf } from './headers.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'
import type { Judgement, Show } from './pipeline.ts'
import { render, type Site, type Templates } from './render.ts'
import type { Settings } from './settings.ts'

/** One line of the access log. Hospitals fetch from their own servers, so the address says which one came. */
export interface Access {
  time: string
  address: string
  userAgent: string | null
  method: string
  path: string
  status: number
  bytes: number
}

export interface Served {
  cache: (typeof CACHE)[keyof typeof CACHE]
  tls?: { cert: Buffer; key: Buffer } | undefined
  now: () => number
  log: (access: Access) => void
}

/** The site over HTTP or HTTPS, byte for byte, with the headers of design §4. Returned unlistened. */
export async function buildServer(
  site: Site,
  { cache, tls, now, log }: Served,
): Promise<FastifyInstance> {
  const server: FastifyInstance = tls
    ? (fastify({ https: { ...tls, minVersion: 'TLSv1.2' } }) as unknown as FastifyInstance)
    : fastify()
  await server.register(etag, { algorithm: 'sha256' })
  server.get('/*', (request, reply) => {
    const path = pathOf(request.url)
    const text = site.get(path)
    const shownPath = text === undefined ? '404.html' : path
    return (
      reply
        .code(text === undefined ? 404 : 200)
        .headers(headersOf(shownPath, cache, site.get(shownPath)))
        // As bytes: to text Fastify would add a charset, which application/json does not have.
        .send(Buffer.from(site.get(shownPath) ?? 'Not found\n'))
    )
  })
  server.addHook('onResponse', async (request, reply) => {
    log({
      time: new Date(now()).toISOString(),
      address: request.ip,
      userAgent: request.headers['user-agent'] ?? null,
      method: request.method,
      path: request.url,
      status: reply.statusCode,
      bytes: Number(reply.getHeader('content-length') ?? 0),
    })
  })
  return server
}

/** The path in the site; nothing of it is taken apart, since only names that are in the list are served. */
function pathOf(url: string): string {
  const path = url.split('?')[0] ?? ''
  try {
    return decodeURIComponent(path.slice(1)) || 'index.html'
  } catch {
    return path
  }
}

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
export function readIdentity(
  certFile: string,
  keyFile: string,
  show: Show,
): { cert: Buffer; key: Buffer } {
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
