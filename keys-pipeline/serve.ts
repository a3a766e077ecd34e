import { generateKeyPairSync, hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import etag from '@fastify/etag'
import fastify, { type FastifyInstance } from 'fastify'
import { finding, PipelineError } from './errors.ts'
import { type CACHE, headersOf } from './headers.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'
import type { Show } from './pipeline.ts'
import type { Site } from './render.ts'

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

/** The built site from its folder, checked against its own list: a half or a foreign file is never served. */
export function readSite(folder: string, show: Show): Site {
  const damaged = (message: string) =>
    new PipelineError(finding('out_damaged', show(folder), message))
  let files: Record<string, string>
  try {
    files = JSON.parse(readFileSync(join(folder, 'publication.json'), 'utf8')).files
  } catch {
    throw damaged('there is no built site here (publication.json is missing or not JSON)')
  }
  const site = new Map<string, string>()
  for (const [path, sum] of Object.entries(files)) {
    try {
      site.set(path, readFileSync(join(folder, path), 'utf8'))
    } catch {
      throw damaged(`${path} is missing`)
    }
    if (hash('sha256', site.get(path) ?? '', 'hex') !== sum)
      throw damaged(`${path} is not what the build wrote`)
  }
  return site
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
    const path =
      decodeURIComponent(new URL(request.url, 'http://site').pathname).slice(1) || 'index.html'
    const text = site.get(path)
    const shownPath = text === undefined ? '404.html' : path
    return (
      reply
        .code(text === undefined ? 404 : 200)
        .headers(headersOf(shownPath, cache))
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

/** A throw-away key for `serve --dev`; its private half is gone when this returns. `build` refuses its kid. */
export function devKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { key } = toPublicKey(publicKey.export({ format: 'jwk' }), '(in memory)')
  if (key === null) throw new Error('a key without findings is a key')
  return { ...key, jwk: { ...key.jwk, kid: `dev-${key.thumbprint.slice(0, 12)}` } }
}
